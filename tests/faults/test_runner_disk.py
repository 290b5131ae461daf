"""Folders that cannot be written and disks that are full: nothing is lost, the status is true, and running again finishes."""

import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest

from hista_repro.errors import Refused, WorkFailed
from hista_repro.runner import batch
from hista_repro.runner.execution import Execution
from hista_repro.runner.executors import Executor
from runner_checkout import Checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Two artifacts whose notebooks are taken as run: what follows an execution is at issue."""

    def execute(job, stop):
        (job.out / "results").mkdir(parents=True)
        notebook = nbformat.read(job.notebook, as_version=4)
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            cell.execution_count = count
        nbformat.write(notebook, job.executed)
        (job.out / "results" / f"{job.id}.json").write_text(json.dumps(job.parameters))
        return Execution("ended", 1.0)

    monkeypatch.setattr(batch, "open_executor", lambda name, gpus: nullcontext(Executor(execute)))
    checkout = Checkout(tmp_path / "checkout")
    checkout.add("table-01")
    checkout.add("table-02")
    return checkout


def full(monkeypatch, *, when):
    """Let moving a file into place fail for want of space, for targets of which `when` is true."""
    really = os.replace

    def replace(source, target):
        if when(Path(target)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)


def assert_that_running_again_finishes(checkout):
    assert all(outcome.ok for outcome in checkout.run().values())
    assert checkout.reported() == ["done", "done"]
    again = checkout.results()
    checkout.run(out=checkout.root / "undisturbed")
    assert again == {name: (checkout.root / "undisturbed" / name).read_bytes() for name in again}


@pytest.mark.parametrize("place", ["status", "results", "notebooks"])
def test_a_full_disk_during_a_first_run(checkout, monkeypatch, place):
    with monkeypatch.context() as patch:
        full(patch, when=lambda target: target.parent == checkout.out / place)
        outcomes = checkout.run()
        assert {outcome.state for outcome in outcomes.values()} == {"failed"}
        assert all("No space left on device" in outcome.error for outcome in outcomes.values())
    assert "done" not in checkout.reported()
    assert_that_running_again_finishes(checkout)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_disk_that_fills_at_any_moment(checkout, monkeypatch, number):
    calls = []
    with monkeypatch.context() as patch:
        full(patch, when=lambda target: calls.append(target) or len(calls) >= number)
        checkout.run()
    for name, state in zip(("table-01", "table-02"), checkout.reported(), strict=True):
        assert state != "done" or (checkout.out / "results" / f"{name}.json").exists()
    assert_that_running_again_finishes(checkout)


def test_a_full_disk_leaves_earlier_outputs_as_they_were(checkout, monkeypatch):
    checkout.run()
    good = checkout.results()
    with monkeypatch.context() as patch:
        full(patch, when=lambda target: target.suffix == ".ipynb" and ".staging" in target.parts)
        outcomes = checkout.run("table-01", overrides={"value": "0.25"})
    assert outcomes["table-01"].state == "failed"
    assert checkout.results() == good
    assert checkout.reported() == ["failed", "done"]
    assert_that_running_again_finishes(checkout)


def test_a_log_that_cannot_be_written_is_a_failure(checkout):
    checkout.out.mkdir(parents=True)
    (checkout.out / "log.jsonl").mkdir()
    outcomes = checkout.run()
    assert {outcome.state for outcome in outcomes.values()} == {"failed"}
    (checkout.out / "log.jsonl").rmdir()
    assert_that_running_again_finishes(checkout)


def test_a_full_disk_while_clearing_up_behind_a_killed_run(checkout, monkeypatch):
    stamp = {"id": "table-01", "status": "running", "started": "then", "process": {"pid": 2**22 + 1, "started": 0.0}}
    (checkout.out / "status").mkdir(parents=True)
    (checkout.out / "status" / "table-01.json").write_text(json.dumps(stamp | {"attempts": 1, "last_done": None}))
    with monkeypatch.context() as patch:
        full(patch, when=lambda target: True)
        with pytest.raises(WorkFailed, match="No space left on device"):
            checkout.run()
    assert checkout.reported() == ["interrupted", "not run"]
    assert_that_running_again_finishes(checkout)


def test_a_folder_that_cannot_be_written_is_refused(checkout, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(Refused, match=r"cannot write to .*file/runs"):
        checkout.run(out=tmp_path / "file" / "runs")
    assert (tmp_path / "file").read_text() == "kept"
