r"""Numbers in text: the numerical milestones of Numca (paper, section 5.1).

The paper names "integers, decimals, and fractions" and no grammar. Ours: `7`, `007`, `1,000`, `1{,}000`, `3.14`, `.5`, `3/4`,
`\frac{3}{4}`, `\dfrac{-3}{4}`, `\frac34`. Milestones are compared by value: 07 is 7, 0.50 is 1/2, 8/2 is 4. A fraction has integers
above and below, and no zero below: 5/0 is 5 and 0, 1/2.5 is 1 and 2.5. Digits inside words count (x1 holds 1).

A minus sign belongs to a number only where it cannot be a subtraction: directly before the number, and at the start of the text or
after an opening bracket, `=`, `,`, `;`, `:`, `&`, an operator, or a dollar sign (taken to open a formula). In `2-9=-7` the numbers are
2, 9 and -7.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

LONGEST = 100
"""Digits beyond which a number is compared as it is written: the loop of a degenerate rollout, which Python refuses to convert."""

_INTEGER = r"(?>[1-9]\d{0,2}(?:(?:,|\{,\})\d{3}(?!\d))+|\d+)"
_NOT_ZERO = r"(?!-?0+(?!\d))"
_NUMBER = re.compile(
    rf"""
    (?P<minus>[-−])?
    (?:
        \\[cdt]?frac (?P<brace>\{{)?                                # \frac{{3}}{{4}}, and without braces one digit each: \frac34
            (?P<above>(?(brace)-?{_INTEGER}|\d))                 (?(brace)\}}\{{)
            (?P<below>(?(brace){_NOT_ZERO}-?{_INTEGER}|[1-9]))   (?(brace)\}})
      | (?P<over>{_INTEGER}) / (?P<under>{_NOT_ZERO}{_INTEGER}) (?!\.\d)
      | (?P<decimal>{_INTEGER}(?:\.\d+)? | (?<![\w.)\]}}])\.\d+)
    )
    """,
    re.VERBOSE | re.ASCII,
)
_BEFORE_A_SIGN = frozenset("([{=,;:&$+-−*/^<>×·÷±→≠≈≤≥")


class Milestone(NamedTuple):
    """A number at `text[start:end]`."""

    start: int
    end: int
    value: Fraction | str


def milestones(text: str, start: int = 0, end: int | None = None) -> list[Milestone]:
    """The numbers of `text[:end]` that begin at `start` or later, in order."""
    found = []
    for match in _NUMBER.finditer(text, start, len(text) if end is None else end):
        signed = match["minus"] is not None and _is_sign(text, match.start())
        begin = match.start() + (match["minus"] is not None and not signed)
        found.append(Milestone(begin, match.end(), _value(match, signed)))
    return found


def prefix_milestones(text: str, whole: Sequence[Milestone], cuts: Iterable[int]) -> Iterator[tuple[int, list[Milestone]]]:
    """The numbers of `text[:cut]` for every cut: how many of the first of `whole`, the numbers of the text, and which further ones.

    A cut inside a number leaves a part of it, and can join that part to the number before, as 1,000 does to 1 where the text goes on to
    1,0005. All else in a prefix is read as in the whole text, so only the last two numbers before such a cut are read again.
    """
    ends = [milestone.end for milestone in whole]
    for cut in cuts:
        settled = bisect_right(ends, cut)
        if settled < len(whole) and whole[settled].start < cut:
            settled = max(settled - 1, 0)
            yield settled, milestones(text, whole[settled].start, cut)
        else:
            yield settled, []


def _is_sign(text: str, at: int) -> bool:
    before = at
    while before and text[before - 1].isspace():
        before -= 1
    return before == 0 or text[before - 1] in _BEFORE_A_SIGN


def _value(match: re.Match, negative: bool) -> Fraction | str:
    if match.end() - match.start() > LONGEST:
        return match[0] if negative else match[0].removeprefix(match["minus"] or "")
    if match["decimal"]:
        value = Fraction(_plain(match["decimal"]))
    else:
        value = Fraction(int(_plain(match["above"] or match["over"])), int(_plain(match["below"] or match["under"])))
    return -value if negative else value


def _plain(number: str) -> str:
    return number.replace("{,}", "").replace(",", "")
