"""Where notebooks are executed: an executor is a function that executes one job and says how it ended."""

from collections.abc import Callable

from hista_repro.errors import Refused, did_you_mean
from hista_repro.runner.execution import Execution, Job, Stop, execute

Execute = Callable[[Job, Stop], Execution]
EXECUTORS = ("local", "ray")


def get_executor(name: str) -> Execute:
    """The executor called `name`; raises `Refused` for one that cannot be had."""
    if name == "ray":
        raise Refused("this version has no ray executor; use --executor local")
    if name != "local":
        raise Refused(f"unknown executor {name!r}; {did_you_mean(name, EXECUTORS)}")
    return execute
