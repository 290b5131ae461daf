"""The processes in which math-verify compares expressions: one for each core, and in the place of one that is stuck another.

A comparison has a limit of CPU time, so that a busy machine changes no outcome. One that takes long keeps its process until the limit ends
it, but no longer counts among those that may run: the others do not wait for it.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from functools import lru_cache

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading.outcome import Outcome

CPU_SECONDS = 10
"""Limit of one comparison."""
PATIENCE = 0.5
"""Seconds on the clock after which a comparison no longer keeps others waiting."""


@lru_cache(maxsize=1 << 16)
def compare_expressions(gold: str, answer: str, factor: Fraction = Fraction(1)) -> Outcome:
    """Whether math-verify, and `math_worker` where both are numbers, take the LaTeX `answer`, times `factor`, for `gold`.

    May be called from any thread. Raises `WorkFailed` where math-verify cannot be started.
    """
    return _pool.compare(gold, answer, factor)


class MathPool:
    """Processes of `math_worker`. They start when they are needed and serve any number of threads."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or _cores()
        self._changed = threading.Condition()
        self._idle: list[subprocess.Popen[str]] = []
        self._running: dict[subprocess.Popen[str] | object, float] = {}
        """Process, or a token for one that is starting -> when its comparison began."""

    def compare(self, gold: str, answer: str, factor: Fraction = Fraction(1)) -> Outcome:
        """See `compare_expressions`. A process that does not survive the comparison is a time-out or a crash, and is replaced."""
        process = self._take()
        try:
            request = {"gold": gold, "answer": answer, "factor": str(factor), "seconds": CPU_SECONDS}
            try:
                print(json.dumps(request), file=process.stdin, flush=True)
                reply = process.stdout.readline().strip()
            except BrokenPipeError:
                reply = ""
            if reply:
                return Outcome(reply)
            return Outcome.TIMEOUT if process.wait() == -signal.SIGPROF else Outcome.CRASH
        except BaseException:  # an interrupt leaves a reply in the pipe, which the next asker would take for its own
            process.kill()
            process.wait()
            raise
        finally:
            self._give_back(process)

    def stop(self) -> None:
        for process in [*self._idle, *self._running]:
            if isinstance(process, subprocess.Popen):
                process.kill()
                process.wait()

    def forget(self) -> None:
        """Leave the processes to the parent after a fork: two askers on one pipe would read each other's replies."""
        self.__init__(self.size)

    def _take(self) -> subprocess.Popen[str]:
        """An idle process, or a new one; waits while as many as there are cores are busy and none of them seems stuck."""
        starting = object()
        with self._changed:
            while len(self._running) - self._stuck() >= self.size:
                self._changed.wait(PATIENCE / 5)
            process = self._idle.pop() if self._idle else None
            self._running[process or starting] = time.monotonic()
        if process:
            return process
        try:
            process = _start()
        finally:
            with self._changed:
                del self._running[starting]
                if process:
                    self._running[process] = time.monotonic()
        return process

    def _stuck(self) -> int:
        """How many comparisons have taken too long to wait for."""
        now = time.monotonic()
        return sum(isinstance(one, subprocess.Popen) and now - began >= PATIENCE for one, began in self._running.items())

    def _give_back(self, process: subprocess.Popen[str]) -> None:
        with self._changed:
            del self._running[process]
            if process.poll() is None and len(self._idle) < self.size:
                self._idle.append(process)
            else:
                process.kill()
                process.wait()
            self._changed.notify()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", "hista_repro.problems.grading.math_worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline().strip() != "ready":
        raise WorkFailed(f"math-verify did not start (exit status {process.wait()}, reason on standard error), so nothing can be graded")
    return process


_pool = MathPool()
atexit.register(_pool.stop)
os.register_at_fork(after_in_child=_pool.forget)
