"""Processes of this machine: telling one from another that got its number later, and ending one with everything it started."""

import os
import signal
from contextlib import suppress
from typing import Any

import psutil


def identity() -> dict[str, Any]:
    """What tells this process from all others of this machine: its number and when it started."""
    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def is_alive(process: dict[str, Any]) -> bool:
    """Whether the process with this `identity` still runs."""
    try:
        found = psutil.Process(process["pid"])
        same = abs(found.create_time() - process["started"]) < 2  # seconds; the clock that dates processes may be adjusted
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_tree(pid: int) -> None:
    """Kill a process, its descendants, and the process groups that they lead; nothing happens where there is none.

    Kernels lead a group of their own, so killing the group of the process that started them would leave them running.
    """
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    groups = set()
    for process in family:
        with suppress(ProcessLookupError):
            groups.add(os.getpgid(process.pid))
    own = os.getpgrp()
    for group in sorted(groups - {own}):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    for process in reversed(family):
        with suppress(psutil.NoSuchProcess):
            process.kill()
