"""Joining a Ray cluster, or starting one on this machine, and what of it one worker holds."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from hista_repro.errors import Refused

_SECONDS_TO_ANSWER = 5.0
_HANDED_ON = ("HISTA_REPRO_", "HF_HOME", "HF_HUB_OFFLINE", "OMP_", "MKL_", "PYTHONPATH")
"""How environment variables begin that workers get from the process that starts them. Secrets stay: Ray shows these to its users."""
_SECRET = ("KEY", "TOKEN", "SECRET")


@dataclass(frozen=True)
class Resources:
    """What one worker holds while it lives."""

    gpus: float = 0
    cpus: float = 1

    def room(self, nodes: list[dict[str, Any]]) -> int:
        """How many workers the living `nodes` (as `ray.nodes()` gives them) take at once. A worker does not spread over nodes."""
        return sum(self._room(node["Resources"]) for node in nodes if node["Alive"])

    def _room(self, node: dict[str, float]) -> int:
        wanted = {"GPU": self.gpus, "CPU": self.cpus}
        return min(int(node.get(name, 0) / amount) for name, amount in wanted.items() if amount)


@contextmanager
def ray_cluster() -> Iterator[None]:
    """A connection to the cluster at `RAY_ADDRESS`; without one, to a cluster of this machine alone that ends with the connection.

    Where this process is connected already, that connection is used, and stays. Raises `Refused` where Ray is not installed or the
    address does not answer.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise Refused("--executor ray needs Ray; pip install 'hista-repro[ray]', or use --executor local") from None
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    _refuse_unless_it_answers(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, runtime_env={"env_vars": environment_of_workers()}, log_to_driver=False, logging_level="ERROR", **alone)
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        raise _unreachable(address, str(error).strip().split("\n")[0]) from error
    try:
        yield
    finally:
        ray.shutdown()


def environment_of_workers() -> dict[str, str]:
    """The environment variables of this process that decide what workers compute, and where they look."""
    given = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
    return {name: value for name, value in given.items() if not any(word in name for word in _SECRET)}


def _refuse_unless_it_answers(address: str) -> None:
    """Ray itself tries for minutes. Names such as "auto" and "local" are left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        with suppress(UnicodeError), socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER):
            return
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> Refused:
    return Refused(f"no Ray cluster answers at {address} ({reason}); start one there, correct RAY_ADDRESS, or unset it")
