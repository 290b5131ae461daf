"""What the book concludes: sentences that stand where the verdicts of the claims they rest on put them.

No sentence says by itself that it is true. With every new run it may move to another heading, and what moved is kept in a log.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.artifacts.verdicts import Word
from hista_repro.book.pages import command_for, markdown_table, page_link
from hista_repro.book.runs import ShownRun
from hista_repro.conforming import configured
from hista_repro.errors import Refused, did_you_mean
from hista_repro.estimators import get_estimator
from hista_repro.yaml12 import load_yaml

FILE = "book/conclusions.yaml"
LOG = "results/conclusions.jsonl"
"""Below a checkout: one line for each sentence that a recorded run has moved (`Move`)."""

Runs = Mapping[str, ShownRun | None]


class Standing(StrEnum):
    """The headings of the chapter."""

    HOLDS = "What holds"
    PARTLY = "What holds where it is decided"
    DEPENDS = "What depends on the setting"
    FAILS = "What does not hold"
    OPEN = "What is undecided"
    NOT_RUN = "What was not run"


_MEANINGS = {
    Standing.HOLDS: "In every measurement, with an interval that excludes the opposite.",
    Standing.PARTLY: "No measurement says the opposite, but in some the interval includes both directions.",
    Standing.DEPENDS: "Some measurements say so, others the opposite.",
    Standing.FAILS: "At least one measurement says the opposite, with an interval that excludes what the sentence says, and none agrees.",
    Standing.OPEN: "Measured, but the intervals include both directions.",
    Standing.NOT_RUN: "For want of a run; the commands are below.",
}


@dataclass(frozen=True)
class Conclusion:
    """One sentence, with what it rests on."""

    sentence: str
    page: str
    """An artifact."""
    claims: list[str]
    """As the verdict of the page words them."""
    estimators: list[str] = field(default_factory=list)
    """Those that the sentence compares."""

    def __post_init__(self) -> None:
        if self.page not in ARTIFACTS:
            raise Refused(f"unknown page {self.page!r}; {did_you_mean(self.page, ARTIFACTS)}")
        if not self.claims:
            raise Refused(f"{self.sentence!r} rests on no claim")
        for name in self.estimators:
            get_estimator(name)

    def evidence(self, runs: Runs) -> list[dict[str, str]]:
        """The findings of its claims in the run that is shown; none without a run."""
        run = runs.get(self.page)
        return [finding for finding in run.result["verdict"]["findings"] if finding["claim"] in self.claims] if run else []

    def standing(self, runs: Runs) -> Standing:
        words = {Word(finding["word"]) for finding in self.evidence(runs)} - {Word.NOT_RUN, Word.NOT_COMPARABLE}
        if not words:
            return Standing.NOT_RUN
        if {Word.AGREES, Word.DISAGREES} <= words:
            return Standing.DEPENDS
        if Word.DISAGREES in words:
            return Standing.FAILS
        if Word.AGREES in words:
            return Standing.HOLDS if words == {Word.AGREES} else Standing.PARTLY
        return Standing.OPEN


@dataclass(frozen=True)
class Move:
    """A sentence that a recorded run has put under another heading."""

    date: str
    """The day, as in 2026-03-07."""
    sentence: str
    before: str
    after: str
    run: str
    """The page whose run did it, and the profile of that run."""


def read_conclusions(root: Path) -> list[Conclusion]:
    """The sentences of the checkout `root`. Raises `Refused` for a page that does not exist and for fields of other types."""
    document = load_yaml((root / FILE).read_text(encoding="utf-8"))
    return [configured(Conclusion, entry, "a conclusion") for entry in document]


def conclusions_text(conclusions: Sequence[Conclusion], runs: Runs) -> str:
    """The sentences below their headings, each with its evidence, in Markdown."""
    sections = []
    for standing in Standing:
        here = [conclusion for conclusion in conclusions if conclusion.standing(runs) is standing]
        if here:
            items = "\n".join(_item(conclusion, runs) for conclusion in here)
            sections.append(f"## {standing.value}\n\n*{_MEANINGS[standing]}*\n\n{items}\n")
    return "\n".join(sections)


def evidence_table(conclusions: Sequence[Conclusion], runs: Runs) -> str:
    """One row for each page that conclusions rest on: the run, its size, and the command that makes it again."""
    rows = []
    for page in dict.fromkeys(conclusion.page for conclusion in conclusions):
        run, link = runs.get(page), page_link(ARTIFACTS[page])
        if run is None:
            rows.append((link, "not run", "", f"`{command_for(ARTIFACTS[page])}`"))
        else:
            rows.append((link, f"{run.stamp['profile']}, {run.date}", run.result["verdict"]["size"], f"`{run.command}`"))
    return markdown_table(("Page", "Run", "What was measured", "Command"), rows)


def moves(conclusions: Sequence[Conclusion], before: Runs, after: Runs, date: str) -> list[Move]:
    """The sentences that stand under another heading after a run than before, of those that were measured before."""
    moved = []
    for conclusion in conclusions:
        earlier, later, run = conclusion.standing(before), conclusion.standing(after), after.get(conclusion.page)
        if run and earlier not in (later, Standing.NOT_RUN):
            moved.append(Move(date, conclusion.sentence, earlier, later, f"{conclusion.page}, {run.stamp['profile']}"))
    return moved


def log_moves(root: Path, moved: Sequence[Move]) -> None:
    """Add to the log of the checkout `root`."""
    with (root / LOG).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(move), ensure_ascii=False) + "\n" for move in moved)


def log_table(root: Path) -> str:
    """The log of the checkout `root`, the latest first."""
    path = root / LOG
    moved = [Move(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    if not moved:
        return "No conclusion has changed since it was first measured.\n"
    rows = [(move.date, move.sentence, move.before, move.after, move.run) for move in reversed(moved)]
    return markdown_table(("Date", "Sentence", "Before", "After", "Because of"), rows)


def _item(conclusion: Conclusion, runs: Runs) -> str:
    """A sentence with the estimators that it compares, and below it what was measured."""
    compared = ", ".join(f"`{name}` ({get_estimator(name).information})" for name in conclusion.estimators)
    lines = [f"- **{conclusion.sentence}** {f'{compared}. ' if compared else ''}{page_link(ARTIFACTS[conclusion.page])}."]
    several = len(conclusion.claims) > 1
    for finding in conclusion.evidence(runs):
        if finding["word"] != Word.NOT_RUN:
            claim = f"{finding['claim']}; " if several else ""
            lines.append(f"  - {claim}{finding['setting']}: {finding['ours']}, {finding['word']}.")
    return "\n".join(lines)
