"""Recording a run: its pages, numbers and figures go to `results/` and `figures/`, which are committed and which the book falls back to."""

import shutil
from datetime import date
from pathlib import Path

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.conclusions import Move, log_moves, moves, read_conclusions
from hista_repro.book.runs import shown_runs
from hista_repro.checkout import find_checkout
from hista_repro.errors import Refused
from hista_repro.runner import status

FIGURES = (".svg", ".pdf")
"""A PNG says nothing that these do not, and every new one stays in the history for good."""


def record_run(profile: str, root: Path | None = None) -> list[Move]:
    """Make what is done in the run folder of `profile` the recorded run of these artifacts, and log which conclusions it moves.

    Returns the moves. `root` is the checkout; without one the working directory's. Raises `Refused` where nothing is done, and for a run
    from a tree with changes that no commit holds, which nobody could make again.
    """
    root = root or find_checkout()
    run = root / "runs" / profile
    done = [row for row in status(out=run, root=root) if row["state"] == "done"] if run.is_dir() else []
    if not done:
        raise Refused(f"nothing is done in {run}; make it with `hista-repro run --profile {profile}`")
    if dirty := [row["id"] for row in done if row["dirty"] or not row["commit"]]:
        raise Refused(f"{dirty[0]} was run from sources that no commit holds; commit them and run it again")
    before = shown_runs(root, homes=("results",))
    for row in done:
        _copy(run, root, profile, row["id"])
    _join_logs(run / "log.jsonl", root / "results" / profile / "log.jsonl")
    moved = moves(read_conclusions(root), before, shown_runs(root, homes=("results",)), date.today().isoformat())
    log_moves(root, moved)
    return moved


def _copy(run: Path, root: Path, profile: str, artifact_id: str) -> None:
    files = [f"notebooks/{ARTIFACTS[artifact_id].notebook}", f"results/{artifact_id}.json", f"status/{artifact_id}.json"]
    pairs = [(run / name, root / "results" / profile / name) for name in files]
    pairs += [
        (path, root / "figures" / profile / path.name) for path in (run / "figures").glob(f"{artifact_id}.*") if path.suffix in FIGURES
    ]
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _join_logs(new: Path, recorded: Path) -> None:
    """Add the lines of `new` that are not recorded yet."""
    known = recorded.read_text(encoding="utf-8").splitlines() if recorded.exists() else []
    lines = dict.fromkeys([*known, *new.read_text(encoding="utf-8").splitlines()])
    recorded.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
