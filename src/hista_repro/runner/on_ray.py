"""Notebooks as tasks of a Ray cluster. The run folder and the records lie where every node sees them under the same path."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hista_repro.distributed import Resources, hire_on_ray
from hista_repro.distributed.workers import LOSSES_OF_ONE_UNIT
from hista_repro.runner.execution import Execution, Job, Progress, Stop, execute
from hista_repro.runner.warm import warm_processes

_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_CLEAR_UP = 10.0


def execute_on_ray(job: Job, stop: Stop, share: Resources) -> Execution:
    """`execution.execute` on whichever node has room for `share`; where its worker is lost, on another from the beginning."""
    import ray

    task = ray.remote(_execute_there).options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0)
    begin = time.monotonic()
    for attempt in range(1, LOSSES_OF_ONE_UNIT + 1):
        running, shown = task.remote(job, os.getcwd()), Progress(job)
        while not ray.wait([running], timeout=_SECONDS_BETWEEN_LOOKS)[0]:
            if stop.requested:
                ray.cancel(running)
                ray.wait([running], timeout=_SECONDS_TO_CLEAR_UP)
                return Execution("interrupted", time.monotonic() - begin, attempts=attempt)
            shown.update()
        shown.update()
        try:
            return replace(ray.get(running), seconds=time.monotonic() - begin, attempts=attempt)
        except ray.exceptions.RayTaskError as failure:
            raise failure.cause from failure
        except ray.exceptions.RayError as loss:
            reason = str(loss).strip().split("\n")[0]
            tqdm.write(f"{job.id}: its worker was lost ({reason})", file=sys.stderr)
    return Execution("failed", time.monotonic() - begin, f"its worker was lost {attempt} times ({reason})", attempts=attempt)


def make_records(builds: Sequence[Mapping[str, Any]], records: Path, stop: Stop, share: Resources) -> None:
    """Make SVEB builds below `records` with all of the cluster, one after the other, so that no notebook holds a node while it waits.

    What cannot be made is left to the notebooks that ask for it, which then say why.
    """
    from hista_repro.sveb import record

    for settings in builds:
        try:
            record(settings, hire_on_ray(share, stopped=lambda: stop.requested), home=records)
        except KeyboardInterrupt:
            return
        except Exception as problem:
            tqdm.write(f"no build of {settings.get('model')} on {settings.get('problems')}: {problem}", file=sys.stderr)


def _execute_there(job: Job, folder: str) -> Execution:
    with suppress(FileNotFoundError):
        os.chdir(folder)
    with warm_processes():
        return execute(job, Stop())
