import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from hista_repro.distributed import Resources, hire_here, hire_on_ray, ray_cluster
from hista_repro.distributed.cluster import environment_of_workers
from hista_repro.distributed.workers import LOSSES_OF_ONE_UNIT
from hista_repro.errors import Refused, WorkFailed


class Squarer:
    """Squares numbers; where a file `die-N` lies in its folder, its process dies of the number N, and takes the file with it if told."""

    def __init__(self, folder: Path, *, refuse: bool = False) -> None:
        if refuse:
            raise Refused("there is nothing to square with")
        self.folder = folder

    def square(self, number):
        fault = self.folder / f"die-{number}"
        if fault.exists():
            if fault.read_text() == "once":
                fault.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number

    def fail(self, number):
        raise Refused(f"{number} cannot be squared")

    def wait(self, number):
        time.sleep(600)

    def where(self):
        return os.getcwd(), os.environ.get("HISTA_REPRO_TEST")


UNITS = {number: (number,) for number in (3, 1, 2, 7)}
SQUARES = {number: number * number for number in UNITS}


@pytest.fixture(scope="module")
def cluster():
    patch = pytest.MonkeyPatch()
    patch.delenv("RAY_ADDRESS", raising=False)
    patch.setenv("PYTHONPATH", str(Path(__file__).parent))
    patch.setenv("HISTA_REPRO_TEST", "handed on")
    with ray_cluster():
        yield
    patch.undo()


def test_this_process_works_in_order(tmp_path):
    with hire_here(partial(Squarer, tmp_path), 9) as workers:
        assert list(workers.map("square", UNITS)) == list(SQUARES.items())


@pytest.mark.parametrize(
    ("share", "room"),
    [(Resources(cpus=1), 6), (Resources(cpus=3), 1), (Resources(gpus=1), 3), (Resources(gpus=2, cpus=0), 1), (Resources(gpus=4), 0)],
)
def test_a_worker_does_not_spread_over_nodes(share, room):
    resources = [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 3.0}, {"memory": 1.0}]
    nodes = [{"Alive": True, "Resources": each} for each in resources]
    assert share.room([*nodes, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}]) == room


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999", "no-such-host.invalid:6379"),
        pytest.param("auto", marks=pytest.mark.cluster),  # Ray itself looks for a cluster, minutes long where one was killed before
    ],
)
def test_an_address_where_nothing_answers_is_refused(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(Refused, match=rf"no Ray cluster answers at {address} ") as refusal, ray_cluster():
        pass
    assert str(refusal.value).endswith("; start one there, correct RAY_ADDRESS, or unset it") and "\n" not in str(refusal.value)


def test_secrets_are_not_handed_on(monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_VERIFIER_KEY", "a secret")
    monkeypatch.setenv("HISTA_REPRO_VERIFIER_URL", "http://127.0.0.1:8000")
    given = environment_of_workers()
    assert given["HISTA_REPRO_VERIFIER_URL"] == "http://127.0.0.1:8000" and "a secret" not in given.values()


@pytest.mark.cluster
class TestOnRay:
    @pytest.fixture(autouse=True)
    def _in_its_folder(self, cluster, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_every_unit_is_made_once_the_workers_are_kept_between_calls(self, tmp_path):
        with hire_on_ray()(partial(Squarer, tmp_path), 2) as workers:
            assert dict(workers.map("square", UNITS)) == SQUARES
            assert dict(workers.map("square", {})) == {}
            assert dict(workers.map("where", {0: ()})) == {0: (str(tmp_path), "handed on")}

    def test_the_unit_of_a_lost_worker_goes_to_another(self, tmp_path, capfd):
        (tmp_path / "die-1").write_text("once")
        with hire_on_ray()(partial(Squarer, tmp_path), 2) as workers:
            assert dict(workers.map("square", UNITS)) == SQUARES
        assert "a worker was lost; unit 1 goes to another" in capfd.readouterr().err

    def test_a_unit_that_kills_every_worker_is_given_up(self, tmp_path):
        (tmp_path / "die-1").write_text("always")
        given_up = pytest.raises(WorkFailed, match=f"unit 1 lost its worker {LOSSES_OF_ONE_UNIT} times")
        with hire_on_ray()(partial(Squarer, tmp_path), 1) as workers, given_up:
            list(workers.map("square", UNITS))

    def test_what_a_method_raises_reaches_the_caller_as_it_is(self, tmp_path):
        with hire_on_ray()(partial(Squarer, tmp_path), 1) as workers:
            with pytest.raises(Refused) as refusal:
                list(workers.map("fail", UNITS))
            assert str(refusal.value) == "3 cannot be squared"
            assert dict(workers.map("square", UNITS)) == SQUARES

    def test_a_worker_that_refuses_to_start_reaches_the_caller_too(self, tmp_path):
        refusing = partial(Squarer, tmp_path, refuse=True)
        with hire_on_ray()(refusing, 1) as workers, pytest.raises(Refused, match=r"^there is nothing to square with$"):
            list(workers.map("square", UNITS))

    def test_a_stop_ends_the_wait(self, tmp_path):
        unhurried = hire_on_ray(stopped=lambda: True)(partial(Squarer, tmp_path), 1)
        with unhurried as workers, pytest.raises(KeyboardInterrupt):
            list(workers.map("wait", UNITS))
