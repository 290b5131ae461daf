"""Recording a run: its pages, numbers and figures go to `results/` and `figures/`, which are committed and which the book falls back to."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.conclusions import Move, log_moves, moves, read_conclusions, read_log
from hista_repro.book.runs import shown_runs
from hista_repro.checkout import find_checkout
from hista_repro.errors import Refused
from hista_repro.files import read_json, write_atomically, write_text
from hista_repro.runner import status

FIGURES = (".svg", ".pdf")
"""A PNG says nothing that these do not, and every new one stays in the history for good."""


def record_run(profile: str, root: Path | None = None) -> list[Move]:
    """Make what is done in the run folder of `profile` the recorded run of these artifacts, and log which conclusions it moves.

    Returns the moves. `root` is the checkout; without one the working directory's. What is recorded from a later run stays; what is stale,
    as a run with parameters of its own is, is not recorded. Raises `Refused` where nothing is done, and for a run from a tree with changes
    that no commit holds, which nobody could make again.
    """
    root = root or find_checkout()
    run, recorded = root / "runs" / profile, root / "results" / profile
    done = [row for row in status(out=run, root=root) if row["state"] == "done"] if run.is_dir() else []
    if not done:
        raise Refused(f"nothing is done in {run}; make it with `hista-repro run --profile {profile}`")
    for row in done:
        if row["dirty"] or not row["commit"]:
            raise Refused(f"{row['id']} was run from sources that no commit holds; commit them and run it again")
    for row in done:
        if row["finished"] > _recorded_at(recorded, row["id"]):
            _copy(run, root, profile, row)
    _join_logs(run / "log.jsonl", recorded / "log.jsonl")
    moved = moves(read_conclusions(root), shown_runs(root, homes=("results",)), read_log(root), date.today().isoformat())
    log_moves(root, moved)
    return moved


def _recorded_at(recorded: Path, artifact_id: str) -> str:
    """When the recorded run was finished; empty where there is none."""
    path = recorded / "status" / f"{artifact_id}.json"
    return read_json(path)["finished"] if path.exists() else ""


def _copy(run: Path, root: Path, profile: str, row: dict[str, Any]) -> None:
    """Copy one artifact, its status last: until then the recorded one is that of before, and recording again goes on from there."""
    artifact, figures = ARTIFACTS[row["id"]], root / "figures" / profile
    for path in figures.glob(f"{artifact.id}.*"):
        path.unlink()
    pairs = [(path, figures / path.name) for path in (run / "figures").glob(f"{artifact.id}.*") if path.suffix in FIGURES]
    names = (f"notebooks/{artifact.notebook}", f"results/{artifact.id}.json", f"status/{artifact.id}.json")
    pairs += [(run / name, root / "results" / profile / name) for name in names]
    for source, target in pairs:
        write_atomically(target, lambda temporary, source=source: shutil.copyfile(source, temporary))


def _join_logs(new: Path, recorded: Path) -> None:
    """Add the lines of `new` that are not recorded yet."""
    lines = dict.fromkeys(line for log in (recorded, new) if log.exists() for line in log.read_text(encoding="utf-8").splitlines())
    write_text(recorded, "".join(f"{line}\n" for line in lines))
