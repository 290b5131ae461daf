"""Two processes train as one does, whether groups lie on one process or are split, and whole runs can be launched on two."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import run_cases
import torch

from forked import exit_code, start
from hista_repro import cli
from hista_repro.files import read_events


@pytest.mark.slow
def test_two_processes_train_as_one(random_model, tmp_path):
    for processes in (1, 2):
        for code, printed in _run_on(processes, tmp_path, run_cases.main, str(random_model), str(tmp_path)):
            assert code == 0, printed[-3000:]
    alone, together = (torch.load(tmp_path / f"processes-{processes}.pt") for processes in (1, 2))
    assert alone.keys() == together.keys()
    for name, run in together.items():
        torch.testing.assert_close(run["parameters"], alone[name]["parameters"], atol=1e-5, rtol=0, msg=name)


@pytest.mark.slow
def test_accelerate_launches_a_run_on_two_processes(random_model, tmp_path):
    # on CPUs accelerate starts several processes under this flag only
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["-m", "hista_repro", "train", str(_settings(random_model, tmp_path, micro_batch=4))]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "done"
    assert [event["event"] for event in read_events(tmp_path / "run" / "metrics.jsonl")] == ["started", "update", "update"]


@pytest.mark.slow
def test_completions_that_do_not_divide_into_two_processes_are_refused(random_model, tmp_path):
    ended = _run_on(2, tmp_path, cli.main, ["train", str(_settings(random_model, tmp_path, micro_batch=8))])
    # the first may refuse and be gone before the other has met it
    assert 2 in [code for code, printed in ended if "micro_batch 8 x 2 processes" in printed], ended
    assert 0 not in [code for code, _ in ended]
    assert not (tmp_path / "run").exists()


def _settings(model: Path, folder: Path, *, micro_batch: int) -> Path:
    settings = {"model": str(model), "problems": "arithmetic-steps", "limit": 40, "out": str(folder / "run"), "trl": {"use_cpu": True}}
    sizes = {"prompts": 2, "group_size": 4, "micro_batch": micro_batch, "max_tokens": 12, "steps": 2, "temperature": 1.0}
    path = folder / "run.yaml"
    path.write_text(json.dumps({**settings, **sizes, "estimator": "hista-loo"}))
    return path


def _run_on(processes: int, folder: Path, function: Callable[..., object], *arguments: object) -> list[tuple[int | None, str]]:
    """Call `function` on so many processes that share their work; the exit code of each, and what it printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    logs = [folder / f"log-{processes}-{rank}" for rank in range(processes)]
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    started = [start(function, *arguments, environment=shared | rank, log=log) for log, rank in zip(logs, ranks, strict=True)]
    return [(exit_code(process), log.read_text()) for process, log in zip(started, logs, strict=True)]
