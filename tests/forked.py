"""Processes that begin with the libraries loaded: loading them takes longer than what most tests do there."""

import faulthandler
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from hista_repro.runner import warm

_HANGS = 60
"""Seconds after which a process writes to its log where each of its threads is."""
_loaded: list[str] = []
"""What the fork server of this process has loaded, where it was started here."""


def start(
    function: Callable[..., object], *arguments: object, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> ForkServerProcess:
    """A process with one thread that calls `function`, with `environment` added to that of this one.

    Where `function` returns an integer, it is the exit code. What is printed goes to the file `log`, where one is named.
    """
    if _loaded != warm._LIBRARIES:
        forkserver._forkserver._stop()  # other tests of this process may have started one that has loaded less
        _loaded[:] = warm._LIBRARIES
    wanted = {**os.environ, **(environment or {})}
    with warm.warm_processes():
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=_run, args=(function, arguments, wanted, log))
        process.start()
    return process


def exit_code(process: ForkServerProcess, seconds: float = 120) -> int | None:
    """What the process ends with; it is killed if it takes longer than `seconds`."""
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode


def _run(function: Callable[..., object], arguments: tuple[object, ...], environment: Mapping[str, str], log: Path | None) -> None:
    if log is not None:
        printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        faulthandler.dump_traceback_later(_HANGS, file=printed)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    code = function(*arguments)
    sys.exit(code if isinstance(code, int) else 0)
