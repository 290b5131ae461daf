"""Notebooks on a Ray cluster of two nodes on this machine, of which workers and nodes are lost: the results are those of a local run."""

import json
import os
import signal
import time

import psutil
import pytest

from hista_repro.errors import Refused
from runner_checkout import FAULT, Checkout, is_fork_server

PATIENCE_SECONDS = 120


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Two notebooks, of which the second hangs while the file `fault` says so."""
    checkout = Checkout(tmp_path / "checkout")
    checkout.add("table-01")
    checkout.add("table-02", FAULT)
    monkeypatch.setenv("TEST_FAULT", str(tmp_path / "fault"))
    return checkout


@pytest.fixture
def cluster(monkeypatch, checkout):
    """A head without cores, and two nodes of one core each, whose processes see the environment of this one."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def outcome_in(out):
    """What a run came to, below what Ray itself prints of workers that died."""
    return json.loads(out.splitlines()[-1])


def executing():
    """The Ray worker that executes a notebook, and what runs below it."""
    for process in psutil.Process().children(recursive=True):
        if any(is_fork_server(child) for child in process.children()):
            return process, process.children(recursive=True)
    return None


def all_gone(processes):
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def assert_the_results_are_those_of_a_local_run(checkout):
    made = checkout.results()
    checkout.run(force=True)
    assert checkout.results() == made and "results/table-02.json" in made


@pytest.mark.cluster
def test_notebooks_on_two_nodes(checkout, cluster):
    assert checkout.states(executor="ray", jobs=2) == {"table-01": "done", "table-02": "done"}
    assert checkout.stamp("table-01")["attempts"] == 1
    assert_the_results_are_those_of_a_local_run(checkout)


@pytest.mark.cluster
@pytest.mark.parametrize("lost", ["worker", "node"])
def test_what_is_lost_is_made_elsewhere(checkout, cluster, tmp_path, lost):
    (tmp_path / "fault").write_text("hang")
    runner = checkout.start("table-02", executor="ray")
    try:
        wait_until((tmp_path / "reached").exists)
        (tmp_path / "fault").unlink()
        worker, below = executing()
        if lost == "node":
            of_worker = worker.ppid()
            [node] = [node for node in cluster.list_all_nodes() if node.all_processes["raylet"][0].process.pid == of_worker]
            cluster.remove_node(node, allow_graceful=False)
        else:
            worker.kill()
        out, err = runner.communicate(timeout=PATIENCE_SECONDS)
    finally:
        runner.kill()
    assert outcome_in(out) == {"table-02": "done"}, err
    assert "table-02: its worker was lost" in err
    assert checkout.stamp("table-02")["attempts"] == 2
    wait_until(lambda: all_gone(below))
    checkout.run("table-01")
    assert_the_results_are_those_of_a_local_run(checkout)


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_runner_that_is_stopped_leaves_nothing_running(checkout, cluster, tmp_path, number):
    (tmp_path / "fault").write_text("hang")
    runner = checkout.start("table-02", executor="ray")
    try:
        wait_until((tmp_path / "reached").exists)
        _, below = executing()
        os.kill(runner.pid, number)
        out, _ = runner.communicate(timeout=PATIENCE_SECONDS)
    finally:
        runner.kill()
    assert number == signal.SIGKILL or outcome_in(out) == {"table-02": "interrupted"}
    wait_until(lambda: all_gone(below))
    assert checkout.reported() == ["not run", "interrupted"]
    (tmp_path / "fault").unlink()
    assert checkout.states() == {"table-01": "done", "table-02": "done"}


def test_an_address_where_nothing_answers_is_refused(checkout, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(Refused, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        checkout.run(executor="ray")
    assert not checkout.out.parent.exists()
