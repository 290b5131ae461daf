"""Running one program, and saying how it ended."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO

from hista_repro.errors import Refused
from hista_repro.sandbox import judge
from hista_repro.sandbox.isolation import ENVIRONMENT, Isolation, python, wrap

CHOICE = "HISTA_REPRO_SANDBOX"
"""The environment variable that names an isolation level; "auto", as without it, takes the best one that works, but never `NONE`."""

LIBRARIES = "standard library"
"""What a program may import, at each level of isolation and on each machine, whatever else is installed there. It is written into
manifests of builds and evaluations."""
_OPTIONS = ("-s", "-P", "-S")
"""Of the sandbox's Python: without `site`, which would add the libraries of the machine. Not `-I`, which ignores `PYTHONHASHSEED`."""


@dataclass(frozen=True)
class Limits:
    """What one program may use. CPU time, memory and file size are limits of each of its processes, and standard output is a file."""

    cpu_seconds: int = 10
    wall_seconds: int = 30
    memory_bytes: int = 1 << 30
    processes: int = 16
    file_bytes: int = 16 << 20
    disk_bytes: int = 64 << 20


class Ending(StrEnum):
    FINISHED = "finished"
    """With exit status 0, or having passed all its asserts."""
    FAILED = "failed"
    """With an assert that does not hold."""
    CRASH = "crash"
    TIMEOUT = "timeout"
    SANDBOX_ERROR = "sandbox-error"
    """The program could not be run, which says nothing about it."""


@dataclass(frozen=True)
class Run:
    """How a program ended, what it wrote, and what stood between it and the machine."""

    ending: Ending
    stdout: str
    stderr: str
    isolation: Isolation


_ENDINGS = {
    judge.FINISHED: Ending.FINISHED,
    judge.FAILED: Ending.FAILED,
    judge.CRASH: Ending.CRASH,
    judge.TIMEOUT: Ending.TIMEOUT,
}
_OLD_KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) < (5, 14)
"""Kernels that count a user's processes over all user namespaces, so that a limit for the sandbox would count those outside it."""


def run(
    program: str,
    *,
    setup: str = "",
    stdin: str = "",
    asserts: Sequence[str] | None = None,
    limits: Limits | None = None,
    isolation: Isolation | None = None,
) -> Run:
    """Run the Python `program` under `isolation` (default: `chosen`), in a module in which `setup` has been run. Where `asserts` are given,
    these statements follow in the same module.

    Everything that the program started has ended when this returns. May be called from any thread.
    """
    limits = limits or Limits()
    isolation = isolation or chosen()
    job = {
        "setup": setup,
        "program": program,
        "input": stdin,
        "tested": asserts is not None,
        "limits": _inside(limits, isolation),
    }
    frames = b"".join(_frame(document) for document in (job, list(asserts or ())))
    command = [python(), *_OPTIONS, "-c", files("hista_repro.sandbox").joinpath("judge.py").read_text()]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            wrap(isolation, command, root=Path(folder), disk_bytes=limits.disk_bytes),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        ending = _wait(process, frames, limits.wall_seconds)
        return Run(ending, *(_text(file, limits.file_bytes) for file in (stdout, stderr)), isolation)


def _wait(process: subprocess.Popen, frames: bytes, seconds: float) -> Ending:
    try:
        process.communicate(frames, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Ending.TIMEOUT
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode < 0 or process.returncode > 128:
        return Ending.CRASH  # the program killed its judge
    return _ENDINGS.get(process.returncode, Ending.SANDBOX_ERROR)


def chosen() -> Isolation:
    """The isolation level that this machine and the user's `HISTA_REPRO_SANDBOX` give.

    Raises `Refused` where the machine gives none and the user has not asked for none, or gives less than the user asks for.
    """
    return _choose(os.environ.get(CHOICE, "auto"))


@cache
def _choose(wanted: str) -> Isolation:
    if wanted == Isolation.NONE:
        return Isolation.NONE
    if wanted not in ("auto", *Isolation):
        raise Refused(f"{CHOICE} is {wanted!r}; set it to one of auto, {', '.join(Isolation)}")
    candidates = [Isolation.BWRAP, Isolation.NAMESPACES] if wanted == "auto" else [Isolation(wanted)]
    for isolation in candidates:
        if works(isolation):
            return isolation
    raise Refused(
        f"programs cannot be isolated here ({' and '.join(candidates)} not working); install bubblewrap on a machine that allows "
        f"namespaces, or set {CHOICE}=none to run them unprotected"
    )


@cache
def works(isolation: Isolation) -> bool:
    """Whether this machine can run a program under `isolation`."""
    try:
        return run("", asserts=["assert True"], isolation=isolation).ending is Ending.FINISHED
    except OSError:
        return False


def _inside(limits: Limits, isolation: Isolation) -> dict[str, int | None]:
    """The limits that the judge sets. A limit on processes is left out where it would count processes outside the sandbox."""
    uncountable = isolation is Isolation.NONE or (_OLD_KERNEL and os.geteuid() != 0)
    return {**asdict(limits), "processes": None if uncountable else limits.processes}


def _frame(document: object) -> bytes:
    content = json.dumps(document).encode()
    return len(content).to_bytes(8, "big") + content


def _text(file: IO[bytes], most: int) -> str:
    file.seek(0)
    return file.read(most).decode(errors="replace")
