"""Processes that begin with the libraries of training loaded: loading them takes longer than a short run does."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from hista_repro.runner.warm import warm_processes


def start(log: Path, function: Callable[..., object], *arguments: object, environment: Mapping[str, str]) -> ForkServerProcess:
    """A process that calls `function`, with `environment` added to that of this one; what it prints is in `log`.

    Where `function` returns an integer, it is the exit code.
    """
    with warm_processes():
        process = multiprocessing.get_context("forkserver").Process(
            target=_run, args=(log, {**os.environ, **environment}, function, arguments), daemon=True
        )
        process.start()
    return process


def _run(log: Path, environment: Mapping[str, str], function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.environ.clear()
    os.environ.update(environment)
    code = function(*arguments)
    sys.exit(code if isinstance(code, int) else 0)
