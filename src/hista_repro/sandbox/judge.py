"""Runs one program inside the sandbox and judges how it ends. The sandbox's Python is given this file's text, so it may import the
standard library only.

There are two processes. The player runs the program; the judge, its parent, keeps what the player must not have early: the asserts, and
the receipt that shows that they all held. Both reach the player only after the program's own code has run, so a program can neither read
its tests, nor pass by leaving before them, nor by printing what success would print. What is left to a program is what is left to it in
every harness that tests functions in the process that defines them: to tamper with that process on purpose, or to hand out objects that
are equal to everything.

Standard input holds two frames: the job (setup, program, input, limits), then the list of asserts. The judge's exit status is the verdict.
"""

import ctypes
import json
import os
import resource
import secrets
import signal
import site
import socket
import sys
import tempfile
from types import ModuleType
from typing import Any

FINISHED, FAILED, CRASH, TIMEOUT = 100, 101, 102, 103
"""Exit statuses of the judge. A sandbox that cannot be set up ends with another one, below 128."""
_PR_SET_DUMPABLE = 4


def main() -> int:
    job = json.loads(_read_frame(0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)  # or the player could attach to the judge as a debugger
    mine, theirs = socket.socketpair()
    player = os.fork()
    if player == 0:
        mine.close()
        _play(job, theirs)
        return 0
    theirs.close()
    asserts = _read_frame(0)
    if job["tested"] and (shown := _test(mine, asserts)) is not None:
        return shown
    return _verdict(os.waitpid(player, 0)[1], finished=not job["tested"])


def _play(job: dict[str, Any], judge: socket.socket) -> None:
    """Run the program as its module, and then its asserts. Errors end the process with a traceback, as they do anywhere."""
    sys.argv = ["program.py"]
    with tempfile.TemporaryFile() as file:
        file.write(job["input"].encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
    _limit(job["limits"])
    module = ModuleType("program" if job["tested"] else "__main__")
    sys.modules[module.__name__] = module
    site.setquit()  # exit(), quit() and help(), which programs of an interpreter started without `site` lack
    site.sethelper()
    for name in ("setup", "program"):
        exec(compile(job[name], f"{name}.py", "exec", dont_inherit=True), module.__dict__)
    if not job["tested"]:
        return
    judge.sendall(b"loaded")
    receipt, asserts = json.loads(_read_frame(judge.fileno()))
    for statement in asserts:
        try:
            exec(compile(statement, "tests.py", "exec", dont_inherit=True), module.__dict__)
        except AssertionError:
            judge.sendall(b"failed")
            raise
    judge.sendall(receipt.encode())


def _test(player: socket.socket, asserts: bytes) -> int | None:
    """Hand the asserts to the player once it has loaded; what it shows for them, or None where it ends without a word."""
    receipt = secrets.token_hex()
    try:
        if player.recv(6, socket.MSG_WAITALL) != b"loaded":
            return None
        frame = json.dumps([receipt, json.loads(asserts)]).encode()
        player.sendall(len(frame).to_bytes(8, "big") + frame)
        shown = player.recv(len(receipt), socket.MSG_WAITALL)
    except ConnectionError:
        return None
    if secrets.compare_digest(shown, receipt.encode()):
        return FINISHED
    return FAILED if shown == b"failed" else None


def _verdict(status: int, finished: bool) -> int:
    """What the player's wait status means; it counts as finished only where it had nothing to show."""
    if os.WIFSIGNALED(status):
        return TIMEOUT if os.WTERMSIG(status) == signal.SIGXCPU else CRASH
    return FINISHED if finished and status == 0 else CRASH


def _limit(limits: dict[str, int | None]) -> None:
    """Limit this process and its children; a limit of None is left out."""
    cpu = limits["cpu_seconds"]
    bounds = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (limits["file_bytes"], limits["file_bytes"]),
    }
    if sys.platform != "darwin":  # which knows no such limit
        bounds[resource.RLIMIT_AS] = (limits["memory_bytes"], limits["memory_bytes"])
    if limits["processes"] is not None:
        bounds[resource.RLIMIT_NPROC] = (limits["processes"], limits["processes"])
    for name, bound in bounds.items():
        resource.setrlimit(name, bound)


def _read_frame(handle: int) -> bytes:
    """The next frame of a stream: eight bytes of length, then so many bytes."""
    return _read(handle, int.from_bytes(_read(handle, 8), "big"))


def _read(handle: int, count: int) -> bytes:
    blocks = []
    while count:
        block = os.read(handle, min(count, 1 << 20))
        if not block:
            raise EOFError
        blocks.append(block)
        count -= len(block)
    return b"".join(blocks)


if __name__ == "__main__":
    sys.exit(main())
