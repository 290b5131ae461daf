"""Executing one notebook in a process of its own: environment, progress, time-out, and its end."""

import multiprocessing
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from hista_repro.progress import PROGRESS_FILE
from hista_repro.runner.child import execute_notebook
from hista_repro.runner.notebooks import read_notebook, without_injection, write_notebook
from hista_repro.runner.processes import kill_tree
from hista_repro.runner.warm import write_kernel

_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass
class Stop:
    """Whether the run is to stop. A signal handler sets it and threads look at it, which takes no lock."""

    requested: bool = False


@dataclass(frozen=True)
class Job:
    """What it takes to execute one notebook; plain values, so that any executor can send it where it likes."""

    id: str
    notebook: Path
    parameters: dict[str, Any]
    staging: Path
    """A folder of the job's own. What the notebook makes appears in its `out`, the executed notebook beside that."""
    records: Path
    """Where expensive records are shared between notebooks."""
    timeout_seconds: float

    @property
    def out(self) -> Path:
        return self.staging / "out"

    @property
    def source(self) -> Path:
        return self.staging / "source.ipynb"

    @property
    def executed(self) -> Path:
        return self.staging / "executed.ipynb"

    @property
    def error(self) -> Path:
        """Says why papermill was not content."""
        return self.staging / "error"


@dataclass(frozen=True)
class Execution:
    """How an execution ended. "ended" says only that papermill was content: whether the notebook is whole is not yet known."""

    state: Literal["ended", "failed", "interrupted"]
    seconds: float
    error: str | None = None
    attempts: int = 1
    """How often it was begun; more than once where a machine was lost."""


def execute(job: Job, stop: Stop) -> Execution:
    """Execute the notebook of `job`, showing its progress on standard error, until it ends, its time is over, or `stop` is requested."""
    begin = time.monotonic()
    shutil.rmtree(job.staging, ignore_errors=True)
    job.out.mkdir(parents=True)
    write_notebook(job.source, without_injection(read_notebook(job.notebook)))
    write_kernel(job.staging / "jupyter")
    shown = Progress(job)
    asked = (job.source, job.executed, job.parameters, job.error, _environment(job))
    process = multiprocessing.get_context("forkserver").Process(target=execute_notebook, args=asked)
    process.start()
    try:
        while process.exitcode is None:
            seconds = time.monotonic() - begin
            if stop.requested:
                return Execution("interrupted", seconds)
            if seconds > job.timeout_seconds:
                return Execution("failed", seconds, f"it took longer than the {job.timeout_seconds / 60:g} minutes that the profile allows")
            shown.update()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        shown.update()
        return _ended(process.exitcode, job, time.monotonic() - begin)
    finally:
        if process.exitcode != 0:
            kill_tree(process.pid)
        process.join()
        process.close()


def _ended(status: int, job: Job, seconds: float) -> Execution:
    if status == 0:
        return Execution("ended", seconds)
    error = job.error.read_text(encoding="utf-8").strip() if job.error.exists() else f"its process ended with status {status}"
    return Execution("failed", seconds, error.partition("\n")[0])


def _environment(job: Job) -> dict[str, str]:
    """The environment of the notebook: where to write, and no configuration of the user's."""
    return os.environ | {
        "HISTA_REPRO_OUT": str(job.out),
        "HISTA_REPRO_RECORDS": str(job.records),
        PROGRESS_FILE: str(job.staging / "progress"),
        "IPYTHONDIR": str(job.staging / "ipython"),
        "JUPYTER_PATH": str(job.staging / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(job.staging / "jupyter" / "runtime"),
        "JUPYTER_NO_CONFIG": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


class Progress:
    """Shows the lines that a notebook's work appends to its progress file."""

    def __init__(self, job: Job) -> None:
        self._id = job.id
        self._path = job.staging / "progress"
        self._read = 0

    def update(self) -> None:
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            tqdm.write(f"  {self._id}: {line}", file=sys.stderr)
