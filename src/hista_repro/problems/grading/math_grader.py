"""Comparing quantities, quickly where they are plain and through math-verify in a process of its own where they are not."""

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from functools import lru_cache

from hista_repro.errors import WorkFailed
from hista_repro.problems.grading.outcome import Outcome

SECONDS = 10
"""Time limit of one comparison."""

_INTEGER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)")
_SCIENTIFIC = re.compile(r"([+-]?\d+(?:\.\d+)?)[eE]([+-]?\d+)")


@lru_cache(maxsize=1 << 16)
def compare_quantities(gold: str, answer: str) -> Outcome:
    """Whether `answer` equals `gold`, both LaTeX or number text. May be called from any thread.

    Raises `WorkFailed` where math-verify cannot be started.
    """
    gold, answer = _normalise(gold), _normalise(answer)
    if not answer:
        return Outcome.UNPARSED
    if gold == answer:
        return Outcome.CORRECT
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        # unlike int, Decimal reads any number of digits, such as the loop of a degenerate rollout
        return Outcome.CORRECT if Decimal(gold.replace(",", "")) == Decimal(answer.replace(",", "")) else Outcome.WRONG
    return _worker.compare(gold, answer)


def _normalise(text: str) -> str:
    text = text.strip().strip("$").strip().removesuffix(".")
    if scientific := _SCIENTIFIC.fullmatch(text):  # math-verify reads "e" as Euler's number
        return rf"{scientific[1]} \times 10^{{{Decimal(scientific[2]) or 0}}}"
    return text


class _Worker:
    """The process of `math_worker`: started at the first comparison, and again after one that it did not survive."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def compare(self, gold: str, answer: str) -> Outcome:
        with self._lock:
            if self._process is None:
                self._process = _start()
            request = json.dumps({"gold": gold, "answer": answer, "seconds": SECONDS})
            try:
                print(request, file=self._process.stdin, flush=True)
                reply = self._process.stdout.readline().strip()
            except BrokenPipeError:
                reply = ""
            if reply:
                return Outcome(reply)
            status, self._process = self._process.wait(), None
            return Outcome.TIMEOUT if status == -signal.SIGALRM else Outcome.CRASH

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Leave the process to the parent after a fork: two askers on one pipe would read each other's replies."""
        self.__init__()


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", "hista_repro.problems.grading.math_worker"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline().strip() != "ready":
        raise WorkFailed(f"math-verify did not start (exit status {process.wait()}, reason on standard error), so nothing can be graded")
    return process


_worker = _Worker()
atexit.register(_worker.stop)
os.register_at_fork(after_in_child=_worker.forget)
