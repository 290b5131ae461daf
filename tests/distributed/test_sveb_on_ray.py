"""Builds that are sharded over a cluster of two nodes on this machine end with the files of a build by one process."""

import json
import os
import signal
import threading
import time
from dataclasses import replace

import psutil
import pytest

from hista_repro.cli import main
from hista_repro.distributed import hire_on_ray, ray_cluster
from hista_repro.sveb import build
from small_build import SMALL, tables

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The tables as one process makes them."""
    folder = tmp_path_factory.mktemp("alone") / "build"
    build(SMALL, folder)
    return tables(folder)


@pytest.fixture
def nodes(monkeypatch):
    """A cluster whose head has no cores to give, and two nodes of one core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster, nodes
    cluster.shutdown()


def after_parts(folder, count, act):
    """Call `act` from a thread of its own once so many parts lie in `folder`."""

    def watch():
        while len(list(folder.rglob("parts/*/*.parquet"))) < count:
            time.sleep(0.01)
        act()

    threading.Thread(target=watch, daemon=True).start()


def workers_of_ray():
    mine = psutil.Process().children(recursive=True)
    return [process for process in mine if "ray::_Worker" in " ".join(process.cmdline())]


def test_two_nodes_make_what_one_process_makes(nodes, tmp_path, alone):
    with ray_cluster():
        build(SMALL, tmp_path / "build", hire_on_ray())
    assert tables(tmp_path / "build") == alone


def test_a_worker_killed_in_the_middle(nodes, tmp_path, alone, capfd):
    killed = []

    def kill_one():
        killed.extend(workers_of_ray()[:1])
        os.kill(killed[0].pid, signal.SIGKILL)

    after_parts(tmp_path, 2, kill_one)
    with ray_cluster():
        build(SMALL, tmp_path / "build", hire_on_ray())
    assert killed
    assert tables(tmp_path / "build") == alone


def test_a_node_killed_in_the_middle(nodes, tmp_path, alone):
    cluster, (node, _) = nodes
    killed = threading.Event()
    after_parts(tmp_path, 2, lambda: (cluster.remove_node(node, allow_graceful=False), killed.set()))
    with ray_cluster():
        build(SMALL, tmp_path / "build", hire_on_ray())
    assert killed.wait(timeout=60)
    assert tables(tmp_path / "build") == alone


def test_a_sharded_build_that_is_stopped_goes_on_here(nodes, tmp_path, alone):
    stop = threading.Event()
    after_parts(tmp_path, 2, stop.set)
    with ray_cluster(), pytest.raises(KeyboardInterrupt):
        build(SMALL, tmp_path / "build", hire_on_ray(stopped=stop.is_set))
    assert json.loads((tmp_path / "build" / "manifest.json").read_text())["status"] == "running"
    build(SMALL, tmp_path / "build")
    assert tables(tmp_path / "build") == alone


def test_the_command_refuses_an_address_where_nothing_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    command = ["sveb", "build", "--model", "tiny", "--problems", "arithmetic-steps", "--out", str(tmp_path / "build"), "--executor", "ray"]
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.err.startswith("hista-repro: no Ray cluster answers at 127.0.0.1:1") and said.err.count("\n") == 1
    assert not (tmp_path / "build").exists()


def test_a_request_that_cannot_be_met_is_refused_from_the_cluster_in_the_same_words(nodes, tmp_path):
    from hista_repro.errors import Refused

    with ray_cluster(), pytest.raises(Refused, match=r"^max-tokens 1048576 and the longest prompt .* exceed the model's context"):
        build(replace(SMALL, max_tokens=1 << 20), tmp_path / "build", hire_on_ray())
    assert not (tmp_path / "build").exists()
