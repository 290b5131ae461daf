"""Two processes train as one does, whether groups lie on one process or are split, and whole runs can be launched on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hista_repro.files import read_events

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


@pytest.mark.slow
@pytest.mark.parametrize(("micro_batch", "outcome"), [(4, 0), (8, 1)])
def test_accelerate_launches_a_run_on_two_processes(random_model, tmp_path, micro_batch, outcome):
    settings = {"model": str(random_model), "problems": "arithmetic-steps", "limit": 40, "out": str(tmp_path / "run")}
    sizes = {"prompts": 2, "group_size": 4, "micro_batch": micro_batch, "max_tokens": 12, "steps": 2, "temperature": 1.0}
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps({**settings, **sizes, "estimator": "hista-loo", "trl": {"use_cpu": True}}))
    # on CPUs accelerate starts several processes under this flag only
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["-m", "hista_repro", "train", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == outcome, done.stderr[-3000:]
    if outcome:
        assert "micro_batch 8 x 2 processes" in done.stderr
        assert not (tmp_path / "run").exists()
    else:
        assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "done"
        assert [event["event"] for event in read_events(tmp_path / "run" / "metrics.jsonl")] == ["started", "update", "update"]
