"""Running a batch of notebooks: what is fresh is skipped, what fails does not stop the others, and what happened is on disk."""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.checkout import find_checkout, records_home
from hista_repro.errors import Refused, WorkFailed
from hista_repro.files import claim_folder
from hista_repro.provenance import describe
from hista_repro.runner.execution import Execution, Job, Stop
from hista_repro.runner.executors import Executor, open_executor
from hista_repro.runner.notebooks import error_in, failure_of, read_notebook, scrub
from hista_repro.runner.plan import Task, builds_of, choose, make_task
from hista_repro.runner.processes import identity
from hista_repro.runner.profiles import load_profile
from hista_repro.runner.run_folder import RunFolder

_KEPT_OF_LAST_DONE = ("key", "profile", "overrides", "parameters", "started", "finished", "seconds", "commit", "dirty", "outputs")


@dataclass(frozen=True)
class Outcome:
    """What became of one artifact of a batch."""

    id: str
    state: Literal["done", "fresh", "failed", "interrupted", "not run"]
    """"fresh": done earlier, and nothing has changed since; "not run": the batch was stopped before its turn."""
    seconds: float = 0.0
    error: str | None = None
    notebook: Path | None = None
    """The executed notebook; of a failed one, how far it came."""

    @property
    def ok(self) -> bool:
        return self.state in ("done", "fresh")


def run(
    ids: Sequence[str] = (),
    *,
    profile: str = "cpu",
    overrides: Mapping[str, str] | None = None,
    jobs: int = 1,
    executor: str = "local",
    force: bool = False,
    out: Path | str | None = None,
    root: Path | str | None = None,
    artifacts: Mapping[str, Artifact] = ARTIFACTS,
) -> list[Outcome]:
    """Make the artifacts `ids` (default: all of the profile), up to `jobs` at once, and say what became of each.

    Notebooks come from the checkout `root` (default: the one around the working directory); everything is written to `out` (default:
    `runs/<profile>` of the checkout). An artifact whose last run is done and whose notebook, parameters, source and inputs are the same
    is skipped, unless `force`. Interrupt, terminate and hang-up signals stop the batch; what is done by then is kept.

    Raises `Refused`, before anything is written, for a request that cannot be met, and `WorkFailed` where the folder cannot be kept.
    """
    if jobs < 1:
        raise Refused(f"jobs must be at least 1, not {jobs}")
    checkout, sizes = find_checkout(root), load_profile(profile)
    overrides = dict(overrides or {})
    tasks = [make_task(artifact, sizes, overrides, checkout) for artifact in choose(ids, sizes, artifacts)]
    folder = RunFolder(Path(out).resolve() if out else checkout / "runs" / sizes.name)
    with open_executor(executor, sizes.gpus) as opened, claim_folder(folder.path), _stop_on_signals() as stop:
        request = {"profile": profile, "overrides": overrides}
        batch = _Batch(folder, checkout, request, sizes.timeout_minutes * 60, opened, stop)
        return batch.run(tasks, jobs, force)


class _Batch:
    """A batch in a folder that this process holds."""

    def __init__(
        self, folder: RunFolder, checkout: Path, request: dict[str, Any], timeout_seconds: float, executor: Executor, stop: Stop
    ) -> None:
        self.folder = folder
        self.request = request
        self.records = records_home(checkout)
        self.timeout_seconds = timeout_seconds
        self.executor = executor
        self.stop = stop
        self.left = 0
        self.counting = threading.Lock()
        self.provenance = describe()
        self.places = {
            folder.path: "$HISTA_REPRO_OUT",
            self.records: "$HISTA_REPRO_RECORDS",
            checkout: ".",
            Path(sys.prefix): "$VIRTUAL_ENV",
            Path.home(): "~",
        }

    def run(self, tasks: Sequence[Task], slots: int, force: bool) -> list[Outcome]:
        """Make every task that is not fresh, up to `slots` at once; their outcomes in the same order."""
        fresh = {} if force else {task.artifact.id: outcome for task in tasks if (outcome := self._fresh(task))}
        self.left = len(tasks) - len(fresh)
        try:
            self.folder.recover()
            todo = [task for task in tasks if task.artifact.id not in fresh]
            self.executor.make_records(builds_of(todo), self.records, self.stop)
            with ThreadPoolExecutor(slots) as pool:
                made = pool.map(self._make, todo)
                return [fresh.get(task.artifact.id) or next(made) for task in tasks]
        except OSError as problem:
            raise WorkFailed(_in_words(problem)) from problem
        finally:
            self.folder.clear_staging()

    def _fresh(self, task: Task) -> Outcome | None:
        """The outcome of an earlier run that still holds."""
        stamp = self.folder.stamp(task.artifact.id)
        if stamp is None or stamp["status"] != "done" or self.folder.outdated(stamp, task.key):
            return None
        _say(f"{task.artifact.id}: fresh, done {stamp['finished']}")
        return Outcome(task.artifact.id, "fresh", stamp["seconds"], notebook=self.folder.path / "notebooks" / task.artifact.notebook)

    def _make(self, task: Task) -> Outcome:
        """Execute the notebook of `task`, put in place what it made, and record how it ended."""
        artifact = task.artifact
        if self.stop.requested:
            return Outcome(artifact.id, "not run")
        stamp = self._first_stamp(task)
        try:
            self._record(stamp)
            job = Job(artifact.id, task.notebook, task.changed, self.folder.staging(artifact.id), self.records, self.timeout_seconds)
            execution = self.executor.execute(job, self.stop)
            stamp["attempts"] += execution.attempts - 1
            outcome, outputs = self._settle(task, job, stamp, execution)
            self._record(_last_stamp(stamp, outcome, outputs))
        except OSError as problem:
            outcome = Outcome(artifact.id, "failed", error=_in_words(problem))
            with suppress(OSError):  # then the file goes on to say "running", and is found abandoned
                self._record(_last_stamp(stamp, outcome, []))
        self._say_end(outcome)
        return outcome

    def _settle(self, task: Task, job: Job, stamp: dict[str, Any], execution: Execution) -> tuple[Outcome, list[str]]:
        """The outcome of an execution, and the files that it leaves in the folder."""
        name, seconds = task.artifact.notebook, execution.seconds
        if execution.state == "interrupted":
            return Outcome(task.artifact.id, "interrupted", seconds), []
        try:
            notebook = read_notebook(job.executed)
        except Refused:  # stopped while papermill wrote it, or before
            return Outcome(task.artifact.id, "failed", seconds, execution.error or "papermill left no notebook"), []
        scrub(notebook, {job.out: "$HISTA_REPRO_OUT"} | self.places)
        error = error_in(notebook) or execution.error or failure_of(notebook)
        if error:
            self.folder.keep_failed(name, notebook)
            return Outcome(task.artifact.id, "failed", seconds, error, self.folder.path / "failed" / name), []
        outputs = self.folder.install(job.out, name, notebook, before=(stamp["last_done"] or {"outputs": []})["outputs"])
        return Outcome(task.artifact.id, "done", seconds, notebook=self.folder.path / "notebooks" / name), outputs

    def _first_stamp(self, task: Task) -> dict[str, Any]:
        before = self.folder.stamp(task.artifact.id)
        retried = before is not None and before["status"] != "done"
        last_done = before and (before["last_done"] if retried else {field: before[field] for field in _KEPT_OF_LAST_DONE})
        takes = f" (took {duration(last_done['seconds'])} last time)" if last_done else ""
        _say(f"{task.artifact.id}: started{takes}")
        return {
            "id": task.artifact.id,
            "status": "running",
            "process": identity(),
            "started": _now(),
            "attempts": before["attempts"] + 1 if retried else 1,
            "parameters": task.parameters,
            "key": asdict(task.key),
            "last_done": last_done,
            **self.request,
            **self.provenance,
        }

    def _say_end(self, outcome: Outcome) -> None:
        with self.counting:
            self.left -= 1
            reason = f": {outcome.error}" if outcome.error else ""
            _say(f"{outcome.id}: {outcome.state} after {duration(outcome.seconds)}{reason} ({self.left} to go)")

    def _record(self, stamp: dict[str, Any]) -> None:
        self.folder.write_stamp(stamp)
        self.folder.log({name: value for name, value in stamp.items() if name not in ("process", "last_done")})


def _last_stamp(stamp: dict[str, Any], outcome: Outcome, outputs: list[str]) -> dict[str, Any]:
    """The stamp of an attempt that has ended."""
    last = {name: value for name, value in stamp.items() if name != "process"}
    last |= {"status": outcome.state, "finished": _now(), "seconds": round(outcome.seconds, 1), "error": outcome.error, "outputs": outputs}
    return last | {"last_done": None} if outcome.state == "done" else last


def duration(seconds: float) -> str:
    """Seconds in the words of a progress line: "8 s", "3 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _in_words(problem: OSError) -> str:
    return f"{problem.strerror or problem} ({problem.filename})" if problem.filename else str(problem)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


@contextmanager
def _stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that interrupt, terminate and hang-up signals request; signals that are ignored (nohup) stay ignored."""
    stop = Stop()

    def request_stop(*_: Any) -> None:
        stop.requested = True

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
