"""What the book concludes: sentences that stand where the verdicts of the claims they rest on put them.

No sentence says by itself that it is true. With every new run it may move to another heading, and what moved is kept in a log.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
from hista_repro.files import append_event, read_events
from hista_repro.yaml12 import load_yaml

FILE = "book/conclusions.yaml"
LOG = "results/conclusions.jsonl"
"""Below a checkout: one line for each sentence that a recorded run has put under a heading, or under another (`Move`)."""

Runs = Mapping[str, ShownRun | None]


class Standing(StrEnum):
    """The headings of the chapter."""

    HOLDS = "What holds"
    PARTLY = "What holds where it is decided"
    DEPENDS = "What depends on the setting"
    FAILS_PARTLY = "What does not hold where it is decided"
    FAILS = "What does not hold"
    OPEN = "What is undecided"
    NOT_RUN = "What was not run"


_MEANINGS = {
    Standing.HOLDS: "In every measurement of the run that is shown, with an interval that excludes the opposite.",
    Standing.PARTLY: "In some measurements; in others an interval includes both directions, and none says the opposite.",
    Standing.DEPENDS: "In some measurements, and in others the opposite.",
    Standing.FAILS_PARTLY: "Some measurements say the opposite; in others an interval includes both directions, and none agrees.",
    Standing.FAILS: "Every measurement says the opposite, with an interval that excludes what the sentence says.",
    Standing.OPEN: "Measured, but intervals include both directions, or a critic was not seen to learn.",
    Standing.NOT_RUN: "For want of a run, or since it does not apply to what was run.",
}
_OPPOSITE = {Word.AGREES: Word.DISAGREES, Word.DISAGREES: Word.AGREES}
_NO_SAY = (Word.NOT_RUN, Word.NOT_COMPARABLE)


@dataclass(frozen=True)
class Conclusion:
    """One sentence, with what it rests on."""

    sentence: str
    question: str
    """A chapter of `book/questions` or `book/methods`, without its ending."""
    page: str
    """An artifact."""
    claims: list[str]
    """As the verdict of the page words them; all have to agree for a measurement to agree."""
    opposite: list[str] = field(default_factory=list)
    """The opposite of the only claim, as verdicts word it where the paper prints that: it agrees where the sentence fails."""
    estimators: list[str] = field(default_factory=list)
    """Those that the sentence compares."""

    def __post_init__(self) -> None:
        if self.page not in ARTIFACTS:
            raise Refused(f"unknown page {self.page!r}; {did_you_mean(self.page, ARTIFACTS)}")
        if not self.claims:
            raise Refused(f"{self.sentence!r} rests on no claim")
        if self.opposite and len(self.claims) > 1:
            raise Refused(f"{self.sentence!r} rests on several claims; which of them has the opposite cannot be said")
        for name in self.estimators:
            get_estimator(name)

    def evidence(self, runs: Runs) -> list[dict[str, str]]:
        """The findings of its claims in the run that is shown, without those that were not run; none without a run."""
        run = runs.get(self.page)
        found = run.result["verdict"]["findings"] if run else []
        return [finding for finding in found if finding["claim"] in (*self.claims, *self.opposite) and finding["word"] != Word.NOT_RUN]

    def said_by(self, finding: Mapping[str, str]) -> Word:
        """What a finding says of the sentence: its word, or the opposite one where its claim is the opposite."""
        word = Word(finding["word"])
        return _OPPOSITE.get(word, word) if finding["claim"] in self.opposite else word

    def standing(self, runs: Runs) -> Standing:
        by_setting: dict[str, list[Word]] = {}
        for finding in self.evidence(runs):
            if (word := self.said_by(finding)) not in _NO_SAY:
                by_setting.setdefault(finding["setting"], []).append(word)
        # A measurement that lacks a claim cannot agree with the sentence; it can speak against it, or leave it open.
        judged = [(_together(said), len(said) >= len(self.claims)) for said in by_setting.values()]
        words = {word for word, complete in judged if complete or word is not Word.AGREES}
        if not words:
            return Standing.NOT_RUN
        if {Word.AGREES, Word.DISAGREES} <= words:
            return Standing.DEPENDS
        if Word.DISAGREES in words:
            return Standing.FAILS if words == {Word.DISAGREES} else Standing.FAILS_PARTLY
        if Word.AGREES in words:
            return Standing.HOLDS if words == {Word.AGREES} else Standing.PARTLY
        return Standing.OPEN


@dataclass(frozen=True)
class Move:
    """A sentence that a recorded run has put under a heading."""

    date: str
    """The day, as in 2026-03-07."""
    sentence: str
    before: str
    """The heading that it stood under; empty where it had not been measured before."""
    after: str
    run: str
    """The page whose run did it, and the profile of that run."""


def read_conclusions(root: Path) -> list[Conclusion]:
    """The sentences of the checkout `root`. Raises `Refused` for a page that does not exist and for fields of other types."""
    document = load_yaml((root / FILE).read_text(encoding="utf-8"))
    return [configured(Conclusion, entry, "a conclusion") for entry in document]


def standings(conclusions: Sequence[Conclusion], runs: Runs) -> dict[str, list[tuple[Standing, int]]]:
    """Question -> how many of its sentences stand below each heading, in the order of the headings."""
    found: dict[str, Counter[Standing]] = {}
    for conclusion in conclusions:
        found.setdefault(conclusion.question, Counter())[conclusion.standing(runs)] += 1
    return {question: [(standing, count[standing]) for standing in Standing if count[standing]] for question, count in found.items()}


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
            age = ", older than the code" if run.changed else ""
            rows.append((link, f"{run.stamp['profile']}, {run.date}{age}", run.result["verdict"]["size"], f"`{run.command}`"))
    return markdown_table(("Page", "Run", "What was measured", "Command"), rows)


def moves(conclusions: Sequence[Conclusion], runs: Runs, logged: Sequence[Move], date: str) -> list[Move]:
    """The sentences that `runs` put under another heading than the log has them under; one that was not run moves nowhere."""
    last = {move.sentence: move.after for move in logged}
    moved = []
    for conclusion in conclusions:
        before, after, run = last.get(conclusion.sentence, ""), conclusion.standing(runs), runs.get(conclusion.page)
        if run and after not in (before, Standing.NOT_RUN):
            moved.append(Move(date, conclusion.sentence, before, after.value, f"{conclusion.page}, {run.stamp['profile']}"))
    return moved


def read_log(root: Path) -> list[Move]:
    """The log of the checkout `root`, oldest first."""
    return [Move(**event) for event in read_events(root / LOG)]


def log_moves(root: Path, moved: Iterable[Move]) -> None:
    """Add to the log of the checkout `root`."""
    for move in moved:
        append_event(root / LOG, asdict(move))


def log_table(logged: Sequence[Move]) -> str:
    """What changed after it had been measured once, the latest first."""
    rows = [(move.date, move.sentence, move.before, move.after, move.run) for move in reversed(logged) if move.before]
    if not rows:
        return "No conclusion has changed since it was first measured.\n"
    return markdown_table(("Date", "Sentence", "Before", "After", "Because of"), rows)


def _together(words: Sequence[Word]) -> Word:
    """What one measurement says of a sentence, from what it says of its claims."""
    if Word.DISAGREES in words:
        return Word.DISAGREES
    return Word.AGREES if set(words) == {Word.AGREES} else Word.UNDECIDED


def _item(conclusion: Conclusion, runs: Runs) -> str:
    """A sentence with the estimators that it compares, and below it what was measured; several measurements are folded."""
    compared = ", ".join(f"`{name}` ({get_estimator(name).information})" for name in conclusion.estimators)
    lines = [f"- **{conclusion.sentence}** {f'{compared}. ' if compared else ''}{page_link(ARTIFACTS[conclusion.page])}."]
    found, evidence = conclusion.evidence(runs), []
    for claim in dict.fromkeys(finding["claim"] for finding in found):
        evidence.append(f"  - *{claim}:*")
        of_claim = [finding for finding in found if finding["claim"] == claim]
        evidence += [f"    - {finding['setting']}: {finding['ours']}, {finding['word']}." for finding in of_claim]
    if len(found) > 1:
        words = Counter(map(conclusion.said_by, found))
        title = ", ".join(f"{word} ({words[word]})" for word in Word if words[word])
        evidence = ["", f"  ```{{dropdown}} {title}", "  :class-container: evidence", "", *evidence, "  ```", ""]
    return "\n".join([*lines, *evidence])
