import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from hista_repro.distributed import hire_processes
from hista_repro.errors import Refused, WorkFailed


class Squarer:
    """Squares numbers, in so many seconds each."""

    report = None

    def __init__(self, seconds=0.0, *, refuse=False):
        import torch

        if refuse:
            raise Refused("there is nothing to square with")
        self.seconds, self.threads = seconds, torch.get_num_threads

    def square(self, number):
        for _ in range(3):
            self.report(number, 1)
            time.sleep(self.seconds)
        return number * number

    def fail(self, number):
        raise Refused(f"{number} cannot be squared")

    def die(self, number):
        os.kill(os.getpid(), signal.SIGKILL)

    def where(self):
        time.sleep(0.3)
        return os.getpid(), self.threads()


UNITS = {number: (number,) for number in (3, 1, 2, 7)}


@pytest.fixture(scope="module")
def crew():
    with hire_processes(2)(Squarer, 9) as workers:
        yield workers


def test_units_are_shared_out_and_their_reports_heard(crew):
    told = []
    found = dict(crew.map("square", UNITS, lambda *amounts: told.append(amounts)))
    assert found == {number: number * number for number in UNITS}
    assert [sum(column) for column in zip(*told, strict=True)] == [3 * sum(UNITS), 3 * len(UNITS)]


def test_each_is_a_process_of_one_thread(crew):
    processes, threads = zip(*dict(crew.map("where", dict.fromkeys(range(4), ()))).values(), strict=True)
    assert len(set(processes)) == 2 and os.getpid() not in processes and set(threads) == {1}


def test_what_a_unit_raises_is_raised():
    with hire_processes(2)(Squarer, 9) as crew, pytest.raises(Refused, match="1 cannot be squared"):
        list(crew.map("fail", {1: (1,)}))


def test_what_cannot_be_made_is_raised():
    with pytest.raises(Refused, match="nothing to square with"), hire_processes(1)(partial(Squarer, refuse=True), 9):
        pass


def test_a_worker_that_is_killed_ends_the_work():
    with pytest.raises(WorkFailed, match="ended with signal SIGKILL; what was finished is kept"), hire_processes(1)(Squarer, 9) as crew:
        list(crew.map("die", {1: (1,)}))


ALONE = """
import signal, sys
sys.path.insert(0, {folder!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background has ignored
from functools import partial
from test_processes import Squarer, hire_processes
if __name__ == "__main__":
    with hire_processes(2)(partial(Squarer, 0.2), 9) as crew:
        print(*(pid for _, (pid, _) in crew.map("where", {{1: (), 2: ()}})), flush=True)
        list(crew.map("square", {{number: (number,) for number in range(999)}}))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_whoever_hired_them(end, tmp_path):
    script = tmp_path / "alone.py"
    script.write_text(ALONE.format(folder=os.path.dirname(__file__)))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    workers = {int(number) for number in process.stdout.readline().split()}
    assert len(workers) == 2
    process.send_signal(end)
    process.wait(30)
    for _ in range(100):
        workers = {number for number in workers if _is_alive(number)}
        if not workers:
            return
        time.sleep(0.1)
    pytest.fail(f"{workers} still work")


def _is_alive(number):
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
