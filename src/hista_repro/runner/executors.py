"""Where notebooks are executed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hista_repro.distributed import Resources, ray_cluster
from hista_repro.errors import Refused, did_you_mean
from hista_repro.runner.execution import Execution, Job, Stop, execute
from hista_repro.runner.on_ray import execute_on_ray, make_records
from hista_repro.runner.warm import warm_processes

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Executor:
    """How the notebooks of a batch are executed."""

    execute: Callable[[Job, Stop], Execution]
    """Executes one job and says how it ended."""
    make_records: Callable[[Sequence[Mapping[str, Any]], Path, Stop], None] = lambda builds, records, stop: None
    """Called once before any notebook with the settings of the SVEB builds that notebooks will ask for, and the folder of records. By
    default each is left to the first notebook that asks."""


@contextmanager
def open_executor(name: str, gpus: float) -> Iterator[Executor]:
    """The executor called `name`; raises `Refused` for one that cannot be had.

    Under Ray, a notebook and a worker of a build hold `gpus` GPUs each.
    """
    if name not in EXECUTORS:
        raise Refused(f"unknown executor {name!r}; {did_you_mean(name, EXECUTORS)}")
    if name == "local":
        with warm_processes():
            yield Executor(execute)
        return
    share = Resources(gpus=gpus)
    with ray_cluster():
        yield Executor(partial(execute_on_ray, share=share), partial(make_records, share=share))
