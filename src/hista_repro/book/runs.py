"""Which recorded run of an artifact the book shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.artifacts.results import load_result
from hista_repro.runner import PROFILES, status

HOMES = ("runs", "results")
"""Where run folders lie in a checkout: those made here, and those that are committed."""


@dataclass(frozen=True)
class ShownRun:
    """A run that is done, with everything that a page says of it."""

    artifact: Artifact
    folder: Path
    stamp: dict[str, Any]
    """Of the run whose outputs are in the folder: profile, overrides, parameters, finished, seconds, commit, dirty."""
    changed: list[str]
    """What has changed since: parts of the content key."""
    result: dict[str, Any]

    @property
    def notebook(self) -> Path:
        return self.folder / "notebooks" / self.artifact.notebook

    @property
    def command(self) -> str:
        """What makes this run again."""
        overrides = "".join(f" -p {name}={value}" for name, value in self.stamp["overrides"].items())
        return f"hista-repro run {self.artifact.id} --profile {self.stamp['profile']}{overrides}"

    @property
    def models(self) -> str:
        return self.settings("model")

    @property
    def date(self) -> str:
        """The day on which it was finished: "7 March 2026"."""
        return datetime.fromisoformat(self.stamp["finished"]).strftime("%d %B %Y").lstrip("0")

    @property
    def commit(self) -> str:
        """As Markdown, with a word where the source differed from it."""
        commit = self.stamp["commit"]
        return "unknown" if commit is None else f"`{commit[:10]}`{' with changes' if self.stamp['dirty'] else ''}"

    def settings(self, name: str) -> str:
        """The values of a setting of what was measured, each once."""
        builds = [entry.get("build", {}) for entry in self.result["measured"]]
        return _each_once(build[name] for build in builds if name in build)

    @property
    def seeds(self) -> str:
        """The seeds of what was measured, each once: of a build its own, of training those of all runs."""
        listed = [entry.get("seeds", [entry.get("build", {}).get("seed")]) for entry in self.result["measured"]]
        return _each_once(seed for seeds in listed for seed in seeds if seed is not None)


def _each_once(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, values))) or "none"


def shown_runs(root: Path, profile: str | None = None, homes: Sequence[str] = HOMES) -> dict[str, ShownRun | None]:
    """Artifact id -> the run to show, None where there is none.

    That of `profile` if it is done; else the largest that is recorded, in the first of `homes` that holds it.
    """
    sizes = [*([profile] if profile else []), *reversed(PROFILES)]
    folders = [root / home / size for size in sizes for home in homes]
    found: dict[str, ShownRun | None] = dict.fromkeys(ARTIFACTS)
    for folder in filter(Path.is_dir, folders):
        for row in status(out=folder, root=root):
            if found[row["id"]] is None:
                found[row["id"]] = _usable(ARTIFACTS[row["id"]], folder, row)
    return found


def _usable(artifact: Artifact, folder: Path, row: dict[str, Any]) -> ShownRun | None:
    """The run that `row` (of `status`) tells of, or the earlier one whose outputs are still in place, if its files are all there."""
    stamp = row if row["state"] in ("done", "stale") else row.get("last_done")
    if not stamp or any(not (folder / place).is_file() for place in (f"notebooks/{artifact.notebook}", f"results/{artifact.id}.json")):
        return None
    # The figures of a recorded run lie in figures/, so that "outputs" says that they are gone; what a page needs has been looked for above.
    changed = [part for part in row["changed"] if part != "outputs"]
    return ShownRun(artifact, folder, stamp, changed, load_result(artifact.id, folder))
