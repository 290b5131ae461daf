import os
import signal
import threading
import time

import pytest

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading import Outcome, math_pool
from hista_repro.problems.grading.math_pool import MathPool, compare_expressions

CORRECT, WRONG = Outcome.CORRECT, Outcome.WRONG
ENDLESS = "9^{9^{9^9}}"


@pytest.fixture
def pool():
    pool = MathPool(size=2)
    yield pool
    pool.stop()


def in_threads(count, ask):
    """What `ask(number)` gives for each number, asked all at once."""
    answers = {}
    threads = [threading.Thread(target=lambda number=number: answers.update({number: ask(number)})) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_threads_get_their_own_replies(pool):
    answers = in_threads(20, lambda n: pool.compare(rf"\frac{{{n}}}{{7}}", rf"\frac{{{2 * n + n % 2}}}{{14}}"))
    assert answers == {number: WRONG if number % 2 else CORRECT for number in range(20)}
    assert 1 <= len(pool._idle) <= 2 and not pool._running


def test_no_more_processes_run_than_there_are_cores(pool, monkeypatch):
    monkeypatch.setattr(math_pool, "PATIENCE", 60)
    in_threads(6, lambda n: pool.compare(f"x+{n}", f"{n}+x"))
    assert len(pool._idle) <= 2


def test_a_comparison_without_end_is_a_timeout_and_the_next_one_works(pool, monkeypatch):
    monkeypatch.setattr(math_pool, "CPU_SECONDS", 1)
    assert pool.compare("5", ENDLESS) is Outcome.TIMEOUT
    assert pool.compare("1/4", "0.25") is CORRECT


def test_comparisons_without_end_keep_no_other_waiting(pool, monkeypatch):
    monkeypatch.setattr(math_pool, "CPU_SECONDS", 5)
    endless = [threading.Thread(target=pool.compare, args=("5", ENDLESS)) for _ in range(2)]
    for thread in endless:
        thread.start()
    time.sleep(3 * math_pool.PATIENCE)  # until both are stuck, and hold as many processes as there are cores
    assert pool.compare("x+1", "1+x") is CORRECT
    assert all(thread.is_alive() for thread in endless), "the time-outs came first"
    for thread in endless:
        thread.join()


def test_time_on_the_clock_is_no_time_out(pool, monkeypatch):
    """A machine that gives the process no time changes no outcome."""
    monkeypatch.setattr(math_pool, "CPU_SECONDS", 1)
    assert pool.compare("x+1", "1+x") is CORRECT
    (process,) = pool._idle
    os.kill(process.pid, signal.SIGSTOP)
    threading.Timer(2, os.kill, (process.pid, signal.SIGCONT)).start()
    began = time.monotonic()
    assert pool.compare("x+2", "2+x") is CORRECT
    assert time.monotonic() - began > 1


def test_a_process_that_dies_is_a_crash_and_the_next_one_works(pool):
    assert pool.compare("x+1", "1+x") is CORRECT
    pool._idle[-1].kill()
    assert pool.compare("x+2", "2+x") is Outcome.CRASH
    assert pool.compare("x+3", "3+x") is CORRECT


def test_an_interrupt_leaves_no_reply_to_the_next_asker(pool, monkeypatch):
    assert pool.compare("x+1", "1+x") is CORRECT
    monkeypatch.setattr(math_pool, "Outcome", lambda reply: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pool.compare("x+2", "2+x")
    monkeypatch.undo()
    assert not pool._idle and not pool._running
    assert pool.compare("x+3", "3+x") is CORRECT


def test_a_process_that_cannot_start_stops_the_work(monkeypatch):
    monkeypatch.setattr(math_pool.sys, "executable", "false")
    with pytest.raises(WorkFailed, match="did not start"):
        MathPool().compare("1/2", "0.5")


def test_a_fork_asks_processes_of_its_own():
    assert compare_expressions("x^9", "x^8x") is CORRECT
    child = os.fork()
    if child == 0:
        os._exit(1 if math_pool._pool._idle else 0)
    assert os.waitpid(child, 0)[1] == 0
    assert math_pool._pool._idle
