"""The runner, or what it started, is stopped from outside while a notebook runs: the status is true, and running again finishes."""

import json
import os
import signal
import time

import psutil
import pytest

from hista_repro.errors import Refused
from runner_checkout import FAULT, Checkout, is_fork_server

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Three notebooks, of which the second hangs while the file `fault` says so."""
    checkout = Checkout(tmp_path / "checkout")
    checkout.add("table-01")
    checkout.add("table-02", FAULT, "_ = (out / f'{name}-last.json').write_text('last')")
    checkout.add("table-03")
    monkeypatch.setenv("TEST_FAULT", str(tmp_path / "fault"))
    return checkout


@pytest.fixture
def hanging(checkout, tmp_path, request):
    """A run (of the ids in `request.param`) in a process of its own that has come to the hanging cell; the processes below it."""
    (tmp_path / "fault").write_text("hang")
    process = checkout.start(*getattr(request, "param", ()))
    wait_until((tmp_path / "reached").exists)
    yield process, psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()


ONLY_THE_HANGING_ONE = pytest.mark.parametrize("hanging", [["table-02"]], indirect=True, ids=[""])


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def all_gone(processes):
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def child_and_kernel(runner):
    """The process that executes the notebook, and its kernel: forks of the fork server that the runner started, hence named like it."""
    [server] = [process for process in psutil.Process(runner.pid).children() if is_fork_server(process)]
    [child] = server.children()
    [kernel] = child.children()
    return child, kernel


def assert_that_running_again_finishes(checkout, tmp_path):
    """With the fault gone, a plain run makes what is missing, and everything is as if nothing had happened."""
    (tmp_path / "fault").unlink()
    outcomes = checkout.run()
    assert all(outcome.ok for outcome in outcomes.values()) and outcomes["table-01"].state == "fresh"
    assert checkout.stamp("table-02")["attempts"] == 2
    again = checkout.results()
    checkout.run(force=True)
    assert checkout.results() == again and "results/table-02-last.json" in again


def test_sigkill_of_the_runner(checkout, hanging, tmp_path):
    runner, below = hanging
    assert checkout.reported() == ["done", "running", "not run"]
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert checkout.reported() == ["done", "interrupted", "not run"]
    wait_until(lambda: all_gone(below))
    assert_that_running_again_finishes(checkout, tmp_path)
    events = [json.loads(line) for line in (checkout.out / "log.jsonl").read_text().splitlines()]
    assert [event["status"] for event in events if event["id"] == "table-02"][:3] == ["running", "interrupted", "running"]


def test_ctrl_c(checkout, hanging, tmp_path):
    runner, below = hanging
    runner.send_signal(signal.SIGINT)
    out, err = runner.communicate(timeout=PATIENCE_SECONDS)
    assert runner.returncode == 1
    assert json.loads(out) == {"table-01": "done", "table-02": "interrupted", "table-03": "not run"}
    assert "table-02: interrupted after" in err and "Traceback" not in err
    wait_until(lambda: all_gone(below))
    assert checkout.reported() == ["done", "interrupted", "not run"]
    assert not (checkout.out / ".staging").exists()
    assert_that_running_again_finishes(checkout, tmp_path)


@ONLY_THE_HANGING_ONE
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_that_end_a_run(checkout, hanging, number):
    runner, below = hanging
    runner.send_signal(number)
    out, _ = runner.communicate(timeout=PATIENCE_SECONDS)
    assert (runner.returncode, json.loads(out)) == (1, {"table-02": "interrupted"})
    wait_until(lambda: all_gone(below))
    assert checkout.reported() == ["not run", "interrupted", "not run"]


def test_sigkill_of_the_kernel(checkout, hanging, tmp_path):
    runner, _ = hanging
    _, kernel = child_and_kernel(runner)
    kernel.kill()
    out, err = runner.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out) == {"table-01": "done", "table-02": "failed", "table-03": "done"}
    assert "table-02: failed after" in err and "Kernel died" in err
    assert "Kernel died" in checkout.stamp("table-02")["error"]
    assert_that_running_again_finishes(checkout, tmp_path)


@ONLY_THE_HANGING_ONE
def test_sigkill_of_the_process_between_runner_and_kernel(checkout, hanging):
    runner, below = hanging
    child, _ = child_and_kernel(runner)
    child.kill()
    out, _ = runner.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out) == {"table-02": "failed"}
    assert "its process ended with status -9" in checkout.stamp("table-02")["error"]
    wait_until(lambda: all_gone(below))


@ONLY_THE_HANGING_ONE
def test_a_second_runner_on_the_same_folder_is_refused(checkout, hanging):
    with pytest.raises(Refused, match="another process is writing to"):
        checkout.run()
    assert checkout.reported() == ["not run", "running", "not run"]


@ONLY_THE_HANGING_ONE
def test_an_interrupt_of_the_process_between_runner_and_kernel_alone_is_ignored(checkout, hanging):
    runner, below = hanging
    child, _ = child_and_kernel(runner)
    child.send_signal(signal.SIGINT)
    time.sleep(1)
    assert runner.poll() is None and not all_gone(below)
    assert checkout.reported() == ["not run", "running", "not run"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_runner_that_was_started_to_ignore_a_signal_goes_on(checkout, tmp_path, number):
    """As `nohup` starts it, and as a shell without job control starts what it puts in the background; `kill` alone still ends it."""
    (tmp_path / "fault").write_text("hang")
    before = signal.signal(number, signal.SIG_IGN)
    try:
        runner = checkout.start("table-02")
    finally:
        signal.signal(number, before)
    wait_until((tmp_path / "reached").exists)
    for process in (psutil.Process(runner.pid), *psutil.Process(runner.pid).children()):
        process.send_signal(number if process.pid == runner.pid else signal.SIGINT)
    time.sleep(1)
    assert runner.poll() is None and checkout.reported() == ["not run", "running", "not run"]
    os.kill(runner.pid, signal.SIGTERM)
    out, _ = runner.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out) == {"table-02": "interrupted"}
