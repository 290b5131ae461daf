r"""Whether two quantities are the same: numbers with units, expressions, sets, intervals, matrices.

What counts as equal, and why:

- Whole numbers and fractions are equal if they are equal exactly. A decimal may have been rounded, so it is equal to what differs by less
  than a millionth of it: 0.333333 is 1/3, 0.333 is not, and 2.26e-10 is not 0. See `numbers`.
- Of a per cent sign on one side only, the number counts as it stands or divided by a hundred: 50% is 50, and is 0.5.
- Degrees are numbers: 60° is 60. Money, lengths and so on are converted: 1500 m is 1.5 km. Units that measure different things, or the
  same in different amounts, make different quantities. A unit on one side only says nothing, and nor do words that are no unit: 18 is 18
  dollars, and 5 km, and 18 apples. See `units`.
- A scale word is part of its number: 5 million is 5000000 and not 5, two dozen is 24. Where the question asks for a number of dozens or
  millions, so may the answer.
- `x = 7` is 7, and `a \approx b` is either side. "1 and 2", "1 or 2" and "1, 2" are the two solutions 1 and 2, never one of them.
- With a base on both sides, digits and base are the same; with one on one side, the digits.
- x \neq 3 is the same inequation, and never a number.
- All else is compared by math-verify, gold first: in its eyes order matters in tuples and not in sets, "2x+3" answers a gold "y = 2x+3",
  and an interval answers a gold inequality.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from hista_repro.problems.grading.markup import respelled, undelimited, unwrapped
from hista_repro.problems.grading.math_pool import compare_expressions
from hista_repro.problems.grading.numbers import Number, read_number, same_number
from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.grading.units import factor_between, unit_of
from hista_repro.problems.grading.wording import is_wording, same_wording

_LONGER = 1000
"""Characters by which an answer may be longer than the gold answer: what is longer is a text, and takes math-verify long to read."""
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_JOINED = ", and "
"""What stands for "and" and "or" between two parts of an answer."""
_LIST = re.compile(r",(?!\d{3}(?!\d))|\\pm|\\cup|;|:")
_SPELLINGS = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right|displaystyle|bigl?|bigr|Bigl?|Bigr)(?![A-Za-z])"), ""),
    (re.compile(r"\\(?:ne|not\s*=)(?![A-Za-z])|!=|<>"), r"\\neq "),
    (re.compile(r"\\sqrt\s+\(([^()]*)\)|(?<![A-Za-z\\])sqrt\s*\(([^()]*)\)"), lambda found: rf"\sqrt{{{found[1] or found[2]}}}"),
    (re.compile(r"\\sqrt\s+(\d+|\w)"), r"\\sqrt{\1}"),
    (re.compile(r"\\colon(?![A-Za-z])"), ":"),
    (re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))"), "°"),
    (re.compile(r"(?<![A-Za-z\\])infinity\b", re.IGNORECASE), r"\\infty"),
    (re.compile(r"\A\\(?:text|mathrm|textbf|mathbf|mbox)\s*\{([^{}]*)\}\Z"), r"\1"),
    (re.compile(r"\A\\(?:text|mathrm|textbf|mbox)\s*\{[^{}]*(?:\b(?:is|are|equals)|[:=])\s*\}"), ""),
    (re.compile(r"\\?\$(?=\s*[-\d.])"), r"\\$"),
    (re.compile(r"\s*(?:,\s*)?(?:\\(?:text|mbox|textrm|mathrm)\s*\{[\s,]*(?:and|or)\s*\}|\b(?:and|or)\b)\s*"), _JOINED),
)
_NAME = r"(?:\\?[A-Za-z]+(?:_\{?[\w ]+\}?)?'?(?:\s*\([A-Za-z0-9, ]*\))?|\\(?:text|mathrm|mathit)\{[^{}]*\})"
_INTEGER = re.compile(r"[+-]?\d+")
_ASSIGNED = re.compile(rf"\s*({_NAME})\s*=\s*(?!.*=)(.+)", re.DOTALL)
_SUM = re.compile(r"[^A-Za-z=]*=\s*(?!.*=)(.+)", re.DOTALL)
_ABOUT = re.compile(
    r"\s*(?:\\(?:approx|simeq|sim|cong)(?![A-Za-z])|~|=|(?:approximately|approx\.?|about|around|roughly|circa|exactly|only)\b)\s*", re.I
)
_MEANWHILE = re.compile(r"\\(?:approx|simeq|doteq)(?:eq)?(?![A-Za-z])")
_PERCENT = re.compile(r"\s*(?:\\?%|(?:per ?cent|percentage|pct)(?: points?)?\b)\s*", re.IGNORECASE)
_DEGREES = re.compile(
    r"\s*(?:\^\s*(?:\{\s*\\circ\s*\}|\\circ|o\b)|\\circ|°|\\deg(?:ree)?s?\b|\bdeg(?:ree)?s?\b)\s*(?!\s*(?:[CFK]\b|celsius|fahrenheit))",
    re.I,
)
_CURRENCY = re.compile(r"\s*(?:US)?(\\?\$|€|£|₹|¥|\\(?:euro|pounds)\b)\s*")
_CURRENCIES = {"€": "euro", "₹": "rupee"}
_SCALED = re.compile(rf"\s*({'|'.join(_SCALES)})s?\b\s*(?:of\b)?", re.IGNORECASE)
_ASKED_SCALE = re.compile(rf"(?:how many|number of|\bin)\s+(?:\w+\s+)?({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
_BASE = re.compile(r"\(?([0-9A-F]*[0-9][0-9A-F]*)\)?\s*(?:_\s*\{?\s*\(?\s*(\w+)[\s})]*|,?\s*\(?(?:in )?base[ -]*(\w+)\)?)", re.IGNORECASE)
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "sixteen": 16}
_TEXT_BEHIND = re.compile(
    r"(?P<body>.*?[\w)}\]|!])(?P<unit>(?:\s|~|\\[,;:! ])*(?:\\(?:text|mathrm|mbox|textrm|hbox|textit|textbf|operatorname)\s*\{[^{}]*\}"
    r"(?:\s*\^\s*(?:\{\s*[-+]?\d\s*\}|\d))?(?:\s*(?:/|\\cdot)\s*)?|\s+(?P<bare>[A-Za-z]{2,}(?:\s*(?:\^\s*\{?\d\}?|[²³]))?))+)",
    re.DOTALL,
)
_RELATION = re.compile(r"[<>]|\\(?:leq?|geq?|lt|gt|in|approx)(?![A-Za-z])")
_BOUND = re.compile(r"\s*(?:[<>]|\\(?:leq?|geq?|lt|gt|leqslant|geqslant)(?![A-Za-z]))")
_RATIO = re.compile(r"(?<=\d)\s+(?:to|\\text\s*\{\s*to\s*\})\s+(?=\d)")
_MONOMIAL = re.compile(r"-?\d+(?:\.\d+)?\s?([A-Za-z])")
_INDEX = re.compile(r"_(?:\d|\{[^{}]*\})")
_WORDS = re.compile(r"[A-Za-zµμΩÅ°][^=<>+|,;\d]*")
_SECOND_PART = re.compile(r"([A-Za-z ]+?)\s*,?\s*(\d.*)")


@dataclass(frozen=True)
class _Quantity:
    """A quantity as it was written, taken apart."""

    text: str
    """Without its unit."""
    number: Number | None = None
    """What it is, where it is a number that is written out; scale words are part of it."""
    name: str = ""
    """What the number is assigned to: x in x = 7."""
    unit: str | None = None
    percent: bool = False
    scales: tuple[str, ...] = ()
    """The scale words that are part of the number."""

    @property
    def latex(self) -> str:
        return self.number.latex if self.number else self.text


@lru_cache(maxsize=1 << 16)
def compare_quantities(gold: str, answer: str, question: str = "") -> Outcome:
    """Whether `answer` is the quantity `gold`, both LaTeX, number or plain text. May be called from any thread.

    Args:
        gold: The gold answer.
        answer: The answer as it was found in a completion.
        question: The problem, which tells whether a number of dozens or millions is asked for.

    Raises:
        WorkFailed: math-verify cannot be started.
    """
    gold, answer = _cleaned(gold).replace(_JOINED, ", "), _cleaned(answer)
    if not answer:
        return Outcome.UNPARSED
    if is_wording(gold):
        return _verdict(same_wording(gold, answer))
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(answer):
        return _verdict(_digits(gold) == _digits(answer))
    if len(answer) > len(gold) + _LONGER:
        return Outcome.WRONG
    if _squeezed(gold) == _squeezed(answer.replace(_JOINED, ", ")):
        return Outcome.CORRECT
    if ":" in gold:
        answer = _RATIO.sub(":", answer)
    parts = [part for part in answer.split(_JOINED) if part.strip()]
    if len(parts) > 1 and not _LIST.search(gold) and _read(answer).number is None:
        return _verdict(all(_compare_sides(gold, part, question) is Outcome.CORRECT for part in parts))
    return _compare_sides(gold, answer.replace(_JOINED, ", "), question)


def _compare_sides(gold: str, answer: str, question: str) -> Outcome:
    """The outcome of the better side of an "is about"."""
    outcomes = [_compare(gold, side, question) for side in _MEANWHILE.split(answer) if side.strip()]
    return Outcome.CORRECT if Outcome.CORRECT in outcomes else next(iter(outcomes), Outcome.UNPARSED)


def _compare(gold_text: str, answer_text: str, question: str) -> Outcome:
    if (based := _based(gold_text)) or _based(answer_text):
        return _verdict(_same_in_base(based, gold_text, answer_text))
    if r"\neq" in gold_text + answer_text:
        if r"\neq" not in gold_text or r"\neq" not in answer_text:
            return Outcome.WRONG
        return compare_expressions(gold_text.replace(r"\neq", "="), answer_text.replace(r"\neq", "="))
    if (_BOUND.match(answer_text) and not _RELATION.search(gold_text)) or not _answers(gold_text, answer_text, question):
        return Outcome.WRONG
    gold, answer = _read(gold_text), _read(answer_text)
    if any(quantity.number and quantity.number.value is None for quantity in (gold, answer)):
        return Outcome.WRONG
    factor = factor_between(answer.unit, gold.unit) if gold.unit and answer.unit else Fraction(1)
    if factor is None:
        return Outcome.WRONG
    if gold.number and answer.number and (not gold.name or not answer.name or gold.name == answer.name):
        asked = {found.casefold() for found in _ASKED_SCALE.findall(question)}
        return _verdict(any(same_number(one, other) for one, other in _meanings(gold, answer, factor, asked)))
    return compare_expressions(gold.latex, answer.latex, factor)


def _answers(gold: str, answer: str, question: str) -> bool:
    """Whether `answer` is of a form that can be `gold`: 2x = 7 says nothing of 7 where the question does not speak of 2x, nor 5 of 5t."""
    if (monomial := _MONOMIAL.fullmatch(gold)) and monomial[1] not in answer:
        return False
    left, equals, _ = answer.partition("=")
    named = not re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", left)) or not re.search(r"\d", _INDEX.sub("", left))
    return not equals or "=" in gold or named or _squeezed(left) in _squeezed(question)


def _meanings(gold: _Quantity, answer: _Quantity, factor: Fraction, asked: set[str]) -> Iterator[tuple[Number, Number]]:
    """The pairs of numbers of which one must be equal."""
    number = answer.number.times(factor)
    yield gold.number, number
    if gold.percent and not answer.percent:
        yield gold.number.times(Fraction(1, 100)), number
    if answer.percent and not gold.percent:
        yield gold.number, number.times(Fraction(1, 100))
    for word in asked.intersection(answer.scales):
        yield gold.number, number.times(Fraction(1, _SCALES[word]))


def _read(text: str) -> _Quantity:
    """`text`, as `_cleaned` gives it, taken apart."""
    name, rest = "", text
    if found := _ASSIGNED.fullmatch(text):
        name, rest = _squeezed(found[1]), found[2]
    elif found := _SUM.fullmatch(text):
        rest = found[1]
    while (stripped := _ABOUT.sub("", rest, count=1) if _ABOUT.match(rest) else rest) != rest:
        rest = stripped
    unit = None
    if money := _CURRENCY.match(rest.replace("-", "", 1) if rest.startswith("-") else rest):
        unit = _CURRENCIES.get(money[1], "dollar")
        rest = rest.replace(money[0], "", 1)
    if (read := read_number(rest)) and (quantity := _with_tail(read[0], read[1], unit)):
        return replace(quantity, name=name)
    if (behind := _TEXT_BEHIND.fullmatch(text)) and (not behind["bare"] or unit_of(unwrapped(behind["unit"]))):
        return _Quantity(behind["body"], unit=unit_of(unwrapped(behind["unit"]).strip()))
    return _Quantity(_DEGREES.sub("", text).replace("€", ""))


def _with_tail(number: Number, tail: str, unit: str | None) -> _Quantity | None:
    """A number with what stands behind it: per cent, degrees, scale words, a unit; None where it is part of an expression."""
    wrapped = tail.lstrip(" ~").startswith("\\")
    spaced = wrapped or tail[:1] in " ~"
    tail = unwrapped(tail).replace("~", " ")
    percent, scales = False, []
    while tail.strip(" .,"):
        if found := _PERCENT.match(tail):
            percent = True
        elif found := _DEGREES.match(tail):
            unit = "degree"
        elif found := _SCALED.match(tail):
            scales.append(found[1].casefold())
            number = number.times(Fraction(_SCALES[scales[-1]]))
        elif found := _CURRENCY.match(tail):
            unit = _CURRENCIES.get(found[1], "dollar")
        else:
            break
        tail, spaced = tail[found.end() :], True
    words = tail.strip(" .,")
    if words and tail.lstrip().startswith(","):
        return None
    if words:
        if (second := _SECOND_PART.fullmatch(words)) and (added := _sum_of_parts(number, second[1], second[2])):
            return added
        known = unit_of(words)
        single = re.match(r"[A-Za-z](?![A-Za-z])", words) and not wrapped
        if not (known and wrapped) and (not (known or _WORDS.fullmatch(words)) or "\\" in words):
            return None
        if not known and (single or not spaced):
            return None
        unit = known or unit
    return _Quantity("", number, unit=unit, percent=percent, scales=tuple(scales))


def _sum_of_parts(number: Number, unit: str, rest: str) -> _Quantity | None:
    """3 hours 20 minutes, given as its first number and unit and what follows."""
    first, second = unit_of(unit), _read(rest)
    if not first or not second.number or not second.unit or (factor := factor_between(first, second.unit)) is None:
        return None
    total = number.times(factor)
    if total.value is None or second.number.value is None:
        return None
    summed = Number(total.value + second.number.value, total.exact and second.number.exact)
    return replace(second, number=summed)


def _based(text: str) -> tuple[str, int] | None:
    """Digits and base of a number such as 1011_2 or "1011 base 2"."""
    found = _BASE.fullmatch(unwrapped(text).strip(" ."))
    if not found:
        return None
    base = (found[2] or found[3]).casefold()
    base = _BASES.get(base) or (int(base) if base.isdecimal() and len(base) < 3 else 0)
    return (found[1].upper(), base) if base > 1 else None


def _same_in_base(gold: tuple[str, int] | None, gold_text: str, answer_text: str) -> bool:
    answer = _based(answer_text)
    if gold and answer:
        return gold[1] == answer[1] and gold[0].lstrip("0") == answer[0].lstrip("0")
    digits, other = (gold, answer_text) if gold else (answer, gold_text)
    return digits[0].lstrip("0") == re.sub(r"[\s,]", "", other).upper().lstrip("0")


def _cleaned(text: str) -> str:
    """`text` without delimiters, in one spelling of characters and commands."""
    text = respelled(undelimited(text))
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    if text.count("$") > text.count(r"\$") and "\\$" not in text:
        text = text.replace("$", "")
    return undelimited(text).strip(" ,;:")


def _digits(integer: str) -> str:
    """A whole number without what may be left out. Its digits are compared: the loop of a degenerate rollout may write a million."""
    digits = integer.lstrip("+-").lstrip("0") or "0"
    return f"-{digits}" if integer[0] == "-" and digits != "0" else digits


def _squeezed(text: str) -> str:
    """What tells one text from another, for texts that are set differently."""
    text = re.sub(r"(?<=\d)\s*([ap])\.?\s?m\b\.?", r"\1m", unwrapped(text), flags=re.IGNORECASE)
    return re.sub(r"\s|\\[,;:! ]", "", text).replace("{,}", ",")


def _verdict(same: bool) -> Outcome:
    return Outcome.CORRECT if same else Outcome.WRONG
