"""Two processes train as one does, whether groups lie on one process or are split."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("run_cases.py")
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


@pytest.mark.slow
def test_two_processes_train_as_one(random_model, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    for processes in (1, 2):
        command = [sys.executable, *LAUNCHER, str(processes), str(SCRIPT), str(random_model), str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
    alone, together = (torch.load(tmp_path / f"processes-{processes}.pt") for processes in (1, 2))
    assert alone.keys() == together.keys()
    for name, run in together.items():
        torch.testing.assert_close(run["parameters"], alone[name]["parameters"], atol=1e-5, rtol=0, msg=name)
