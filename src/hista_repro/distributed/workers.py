"""Workers of which each owns one object, such as an engine with its model loaded, and calls its methods."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from tqdm import tqdm

from hista_repro.distributed.cluster import Resources
from hista_repro.errors import WorkFailed
from hista_repro.progress import Report, unheard

LOSSES_OF_ONE_UNIT = 3
"""A unit whose worker is lost this often is taken to be what kills them."""
_SECONDS_BETWEEN_LOOKS = 0.2


class Workers(Protocol):
    def map(self, method: str, units: Mapping[int, tuple], report: Report = unheard) -> Iterator[tuple[int, Any]]:
        """Call `method` of the workers' objects with the arguments of each unit; (number, result) as they come, in whatever order.

        What the objects say to their attribute `report`, which workers set, goes to `report`; that of workers on a cluster is not heard.
        """


Hire = Callable[[Callable[[], object], int], AbstractContextManager[Workers]]
"""Hires workers whose objects a function makes, at most as many as given (more would have nothing to do)."""


class _Here:
    """This process as the only worker."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._object: Any = make()

    def map(self, method: str, units: Mapping[int, tuple], report: Report = unheard) -> Iterator[tuple[int, Any]]:
        self._object.report = report
        return ((number, getattr(self._object, method)(*arguments)) for number, arguments in units.items())


def hire_here(make: Callable[[], object], most: int) -> AbstractContextManager[Workers]:
    """This process does everything itself."""
    return nullcontext(_Here(make))


def hire_on_ray(resources: Resources | None = None, *, stopped: Callable[[], bool] = lambda: False) -> Hire:
    """As many workers as the connected cluster has room for, each with its share: by default a GPU where the cluster has any, else a core.

    `stopped` is asked while waiting; once it is true, `map` raises `KeyboardInterrupt`. Workers end with the context.
    """

    @contextmanager
    def hire(make: Callable[[], object], most: int) -> Iterator[Workers]:
        import ray

        share = resources or Resources(gpus=1 if ray.cluster_resources().get("GPU") else 0)
        crew = _Crew(make, share, max(1, min(most, share.room(ray.nodes()))), stopped)
        try:
            yield crew
        finally:
            crew.dismiss()

    return hire


class _Worker:
    """What runs on the cluster."""

    def start(self, folder: str, make: Callable[[], object]) -> None:
        if os.path.isdir(folder):
            os.chdir(folder)  # relative paths mean what they mean to whoever asked
        self._object = make()

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._object, method)(*arguments)


class _Crew:
    """Ray actors. One that is lost is replaced, wherever there is room, and its unit goes to the next that is free."""

    def __init__(self, make: Callable[[], object], share: Resources, size: int, stopped: Callable[[], bool]) -> None:
        import ray

        self._ray = ray
        self._actor = ray.remote(_Worker).options(num_cpus=share.cpus, num_gpus=share.gpus)
        self._make = ray.put(make)
        self._stopped = stopped
        self._size = size
        self._false_starts = 0
        self._starting: dict[Any, Any] = {}
        """What says that an actor has started -> the actor."""
        self._free: list[Any] = []
        for _ in range(size):
            self._hire_one()

    def dismiss(self) -> None:
        for actor in (*self._free, *self._starting.values()):
            self._ray.kill(actor)

    def map(self, method: str, units: Mapping[int, tuple], report: Report = unheard) -> Iterator[tuple[int, Any]]:
        waiting, losses = deque(units), dict.fromkeys(units, 0)
        busy: dict[Any, tuple[Any, int]] = {}
        try:
            while waiting or busy:
                while waiting and self._free:
                    actor, number = self._free.pop(), waiting.popleft()
                    busy[actor.call.remote(method, *units[number])] = actor, number
                for done in self._done([*busy, *self._starting]):
                    if done in self._starting:
                        self._settle_start(done)
                        continue
                    actor, number = busy.pop(done)
                    try:
                        result = self._ray.get(done)
                    except self._ray.exceptions.RayTaskError as failure:  # the method raised: the worker is as good as before
                        self._free.append(actor)
                        raise failure.cause from failure
                    except self._ray.exceptions.RayError as loss:
                        losses[number] += 1
                        self._replace(actor, number, losses[number], loss)
                        waiting.appendleft(number)
                    else:
                        self._free.append(actor)
                        yield number, result
        finally:
            for actor, _ in busy.values():  # whoever stopped listening in the middle of the units wants no more of them
                self._ray.kill(actor)

    def _done(self, pending: list[Any]) -> list[Any]:
        while not (done := self._ray.wait(pending, timeout=_SECONDS_BETWEEN_LOOKS)[0]):
            if self._stopped():
                raise KeyboardInterrupt
        return done

    def _hire_one(self) -> None:
        actor = self._actor.remote()
        self._starting[actor.start.remote(os.getcwd(), self._make)] = actor

    def _settle_start(self, started: Any) -> None:
        actor = self._starting.pop(started)
        try:
            self._ray.get(started)
        except self._ray.exceptions.RayTaskError as failure:  # it would be the same elsewhere
            self._ray.kill(actor)
            raise failure.cause from failure
        except self._ray.exceptions.RayError as loss:
            self._false_starts += 1
            if self._false_starts == LOSSES_OF_ONE_UNIT * self._size:
                raise WorkFailed(f"no worker starts: {self._false_starts} were lost before they were ready ({_first_line(loss)})") from loss
            self._hire_one()
        else:
            self._false_starts = 0
            self._free.append(actor)

    def _replace(self, actor: Any, number: int, losses: int, loss: Exception) -> None:
        if losses == LOSSES_OF_ONE_UNIT:
            raise WorkFailed(f"unit {number} lost its worker {losses} times ({_first_line(loss)}); what was finished is kept") from loss
        tqdm.write(f"a worker was lost; unit {number} goes to another", file=sys.stderr)
        self._ray.kill(actor)  # it may only have been cut off
        self._hire_one()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
