"""Workers that are processes of this machine, with one thread each.

On a CPU two models that are run by one thread each write more than one that is run by two. And since each worker has one thread, what it
computes does not depend on how many cores a machine has.
"""

import ctypes
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from hista_repro.distributed.workers import Hire, Workers
from hista_repro.errors import WorkFailed
from hista_repro.progress import Report, unheard

_SECONDS_BETWEEN_REPORTS = 0.5
_SECONDS_TO_END = 5.0


def hire_processes(count: int) -> Hire:
    """`count` processes of this machine, or as many as there are units if these are fewer. They end with the context.

    All end where one is lost, which raises `WorkFailed`, and where units are left in the middle, as after a failure of one.
    """

    @contextmanager
    def hire(make: Callable[[], object], most: int) -> Iterator[Workers]:
        crew = _Crew(make, min(count, most))
        try:
            yield crew
        finally:
            crew.dismiss()

    return hire


class _Crew:
    def __init__(self, make: Callable[[], object], count: int) -> None:
        context = get_context("spawn")  # a fork of a process with threads may hang
        self._processes: dict[Connection, Any] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(make, theirs), daemon=False)
            process.start()
            theirs.close()
            self._processes[ours] = process
        try:
            for connection in self._processes:
                self._answer(connection, unheard)
        except BaseException:
            self.dismiss()
            raise

    def map(self, method: str, units: Mapping[int, tuple], report: Report = unheard) -> Iterator[tuple[int, Any]]:
        if not self._processes:
            raise WorkFailed("the workers have ended; what was finished is kept")
        waiting, busy = deque(units), {}
        free = list(self._processes)
        try:
            while waiting or busy:
                while waiting and free:
                    connection, number = free.pop(), waiting.popleft()
                    connection.send((method, units[number]))
                    busy[connection] = number
                for connection in wait(list(busy)):
                    found = self._answer(connection, report, block=False)
                    if found is not None:
                        free.append(connection)
                        yield busy.pop(connection), found[0]
        finally:
            if busy:  # whoever stopped listening in the middle of the units wants no more of any
                self.dismiss()

    def _answer(self, connection: Connection, report: Report, *, block: bool = True) -> tuple[Any] | None:
        """The next result of a worker; None for one that only reported."""
        while True:
            try:
                kind, content = connection.recv()
            except (EOFError, ConnectionResetError):
                process = self._processes[connection]
                process.join()
                raise WorkFailed(
                    f"a worker process ended with {_how(process.exitcode)}; what was finished is kept, and fewer workers need less memory"
                ) from None
            if kind == "failed":
                raise content
            if kind == "done":
                return (content,)
            report(*content)
            if not block:
                return None

    def dismiss(self) -> None:
        for connection, process in self._processes.items():
            connection.close()
            process.terminate()
        for process in self._processes.values():
            process.join(_SECONDS_TO_END)
            process.kill()
            process.join()
        self._processes = {}


def _how(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"code {code}"


def _work(make: Callable[[], object], connection: Connection) -> None:
    """Be a worker until whoever hired it closes the connection, or is gone."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever hired decides
    torch.set_num_threads(1)
    reporter = _Reporter(connection)
    try:
        try:
            worker: Any = make()
        except Exception as error:
            connection.send(("failed", error))
            return
        worker.report = reporter
        _give_back_memory()
        connection.send(("done", None))
        while True:
            method, arguments = connection.recv()
            try:
                answer = "done", getattr(worker, method)(*arguments)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                answer = "failed", error
            reporter.send()
            connection.send(answer)
            _give_back_memory()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)  # nobody listens


def _give_back_memory() -> None:
    """Let glibc return what it holds free: after batches of changing sizes that is more than a model of 0.5B parameters takes."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class _Reporter:
    """Adds up what it is told, and sends the sums twice a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tokens = self._completions = 0
        self._sent = time.monotonic()

    def __call__(self, tokens: int, completions: int) -> None:
        self._tokens += tokens
        self._completions += completions
        if time.monotonic() - self._sent >= _SECONDS_BETWEEN_REPORTS:
            self.send()

    def send(self) -> None:
        self._connection.send(("report", (self._tokens, self._completions)))
        self._tokens = self._completions = 0
        self._sent = time.monotonic()
