"""From numbers to a verdict on what the paper says, by rules that look at the numbers alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from html import escape
from typing import Any

_MOST_DIGITS = 6


class Word(StrEnum):
    """What came of a claim of the paper."""

    AGREES = "agrees"
    """Measured here in the paper's direction, with an interval that excludes the opposite one."""
    PARTLY = "partly"
    """Some of the claims agree, others do not or are undecided."""
    DISAGREES = "disagrees"
    """Measured here in the opposite direction, with an interval that excludes the paper's."""
    UNDECIDED = "undecided"
    """The interval holds both directions: the run is too small to tell."""
    NOT_COMPARABLE = "not comparable"
    """Measured here, but under conditions in which the claim does not apply."""
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    estimate: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low and high: {self.low!r} is not below {self.high!r}")

    def text(self, *, signed: bool = False) -> str:
        """`0.132 [0.120, 0.145]`; with a sign for differences.

        Three decimals, and as many more as keep an end that is not 0 from looking like it where the interval lies on one side of 0.
        """
        nearest = min(abs(self.low), abs(self.high)) if self.low * self.high > 0 else 1.0
        digits = next((digits for digits in range(3, _MOST_DIGITS) if round(nearest, digits) > 0), _MOST_DIGITS)
        estimate, low, high = (number_text(value, signed=signed, digits=digits) for value in (self.estimate, self.low, self.high))
        return f"{estimate} [{low}, {high}]"


@dataclass(frozen=True)
class Finding:
    """One claim of the paper, held against one measurement."""

    claim: str
    setting: str
    """The model and data of the measurement."""
    paper: str
    ours: str
    word: Word


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a page concludes; shows itself as a box in a notebook and in the book."""

    findings: tuple[Finding, ...]
    size: str
    """How much was measured."""
    differences: tuple[str, ...] = ()
    """What differs from the paper's setting, so that levels must not be compared."""

    @property
    def word(self) -> Word:
        return combine(finding.word for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {"word": self.word.value, **asdict(self)}

    def __repr__(self) -> str:
        return "\n".join(
            [f"Verdict: {self.word}", *(f"- {f.claim} ({f.setting}): {f.paper}, here {f.ours}: {f.word}" for f in self.findings)]
        )

    def _repr_html_(self) -> str:
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("Claim", "Verdict", "Paper", "Here", "Measured on"))
        rows = "".join(
            f"<tr><td>{escape(f.claim)}</td><td>{_badge(f.word)}</td><td>{escape(f.paper)}</td><td>{escape(f.ours)}</td>"
            f"<td>{escape(f.setting)}</td></tr>"
            for f in self.findings
        )
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.differences)
        why = f"<p>The levels of paper and measurement must not be compared directly:</p><ul>{items}</ul>" if items else ""
        return (
            f'<div class="verdict verdict-{_slug(self.word)}"><p class="verdict-title"><strong>Verdict:</strong> {_badge(self.word)}</p>'
            f'<p>{escape(self.size)}</p><div class="verdict-table" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>{why}</div>"
        )


def number_text(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """`digits` decimals, with a true minus sign; with a plus sign where `signed`, and there zero keeps the sign of what was rounded."""
    return f"{value:{'+' if signed else 'z'}.{digits}f}".replace("-", "−")


def judge_direction(paper: float, ours: Interval) -> Word:
    """Whether the difference `ours` has the sign that the paper's difference has.

    Raises `ValueError` for a difference of zero in the paper, which has no direction.
    """
    if paper == 0:
        raise ValueError("paper: a difference of 0 has no direction to compare with")
    if ours.low <= 0 <= ours.high:
        return Word.UNDECIDED
    return Word.AGREES if (ours.low > 0) == (paper > 0) else Word.DISAGREES


def combine(words: Iterable[Word]) -> Word:
    """One word for several findings; those that were not run or do not apply have no say unless all are such."""
    words = list(words)
    decided = {word for word in words if word not in (Word.NOT_RUN, Word.NOT_COMPARABLE)}
    if not decided:
        return Word.NOT_COMPARABLE if Word.NOT_COMPARABLE in words else Word.NOT_RUN
    if len(decided) == 1:
        return decided.pop()
    return Word.PARTLY if decided & {Word.AGREES, Word.PARTLY} else Word.DISAGREES


def differences_of_setting(paper: Sequence[Mapping[str, str]], ours: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """One sentence for each condition that is not the same in all of the paper's settings and all of ours."""
    sentences = []
    for name in paper[0]:
        there, here = (list(dict.fromkeys(setting[name] for setting in settings)) for settings in (paper, ours))
        if there != here:
            sentences.append(f"{name}: {' and '.join(there)} in the paper, {' and '.join(here)} here.")
    return tuple(sentences)


def _slug(word: Word) -> str:
    return word.value.replace(" ", "-")


def _badge(word: Word) -> str:
    return f'<span class="verdict-word verdict-word-{_slug(word)}">{word.value}</span>'
