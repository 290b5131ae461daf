r"""Numbers as people write them, read exactly.

Integers with any separator of thousands, decimals, powers of ten ("4.45e15", "4.45 \times 10^{15}", "4.45 x 10^15"), fractions, mixed
numbers ("2\frac{1}{2}", "2 1/2"), and number words below a hundred.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

TOLERANCE = Fraction(1, 10**6)
"""Two numbers of which one is a decimal are equal if they differ by at most this part of the larger: six digits, as math-verify rounds."""
_NEXT_TO_WHOLE = Fraction(1, 2 * 10**6)
"""And from a whole number by at most this: 0.999999 is not 1, but 0.9999999 is what a computer makes of it."""
_LARGEST_EXPONENT = 5000
_GROUPED = re.compile(r"(?<![\d.])(\d{1,3})((?:(?:,|\{,\}|,?\\[!,;: ]\s?|[ \u00a0\u202f'])\d{3})+)(?![\d])")
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*([-+]?[\d.]+)\s*\}|(\d))\s*(?:\{\s*([\d.]+)\s*\}|(\d))")
_TEN_TO = r"10\s*(?:\^|\*\*)\s*(?:\{\s*|\(\s*)?([-+]?)\s*(\d+)(?:\s*[)}])?"
_POWER = re.compile(rf"(?<=[\d.])\s*(?:\\times|\\cdot|\\ast|\bx|×|\*|·|∙|⋅)\s*{_TEN_TO}")
_BARE_POWER = re.compile(rf"(?<![\w.^]){_TEN_TO}")
_UNSIGNED = r"(?:\d++(?:\.\d*+)?|\.\d++)"
_NUMBER = re.compile(
    rf"""(?P<sign>[-+]?)\s*(?:
        (?P<whole>\d++)\s+(?:and\s+)?(?P<part>\d++)\s*/\s*(?P<of>\d++)(?!\s*[/\d.])
      | (?P<over>{_UNSIGNED})\s*/\s*(?P<sign_under>-?)(?P<under>{_UNSIGNED})(?!\s*/)
      | (?P<mantissa>{_UNSIGNED})(?:[eE](?P<exponent>[-+]?\d++))?
    )(?![\w]*[\d_^])""",
    re.VERBOSE,
)
_NAMES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
"""
_ONES, _TENS = _NAMES.split()[:20], _NAMES.split()[20:]
_SPELLED = {word: value for value, word in enumerate(_ONES)} | {word: 20 + 10 * place for place, word in enumerate(_TENS)}
_SPELLED |= {f"{ten}-{one}": _SPELLED[ten] + _SPELLED[one] for ten in _TENS for one in _ONES[1:10]}
_WORD = re.compile(rf"({'|'.join(sorted(_SPELLED, key=len, reverse=True))})\b(?!-)", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """A number that was written out."""

    value: Fraction | None
    """None where it has too many digits to be written out, or a denominator of 0: it equals nothing."""
    exact: bool
    """Whether it is a whole number or a fraction of whole numbers, rather than a decimal, which may have been rounded."""

    @property
    def latex(self) -> str:
        """The number as math-verify reads it; there is none without a value."""
        over, under = Decimal(self.value.numerator), Decimal(self.value.denominator)
        if under == 1:
            return f"{over:f}"
        return rf"\frac{{{over:f}}}{{{under:f}}}" if self.exact else f"{over / under:f}"

    def times(self, factor: Fraction) -> "Number":
        return Number(None if self.value is None else self.value * factor, self.exact)


def read_number(text: str) -> tuple[Number, str] | None:
    """The number that `text` begins with, and the rest of the text; None where it begins with none."""
    if spelled := _WORD.match(text):
        return Number(Fraction(_SPELLED[spelled[0].casefold()]), exact=True), text[spelled.end() :]
    text = _FRACTION.sub(lambda found: f" {found[1] or found[2]}/{found[3] or found[4]}", text).lstrip()
    text = _GROUPED.sub(lambda found: found[1] + re.sub(r"\D", "", found[2]), text)
    text = _BARE_POWER.sub(r"1e\1\2", _POWER.sub(r"e\1\2", text))
    found = _NUMBER.match(text)
    return (_number(found), text[found.end() :]) if found else None


def _number(found: re.Match[str]) -> Number:
    sign = -1 if found["sign"] == "-" else 1
    if found["whole"]:
        value = _fraction(found["part"], found["of"])
        return Number(None if value is None else sign * (value + Fraction(Decimal(found["whole"]))), exact=True)
    if found["over"]:
        value = _fraction(found["over"], found["under"])
        return Number(value and (-sign if found["sign_under"] else sign) * value, exact="." not in found["over"] + found["under"])
    exponent = found["exponent"] or "0"
    exact = "." not in found["mantissa"] and found["exponent"] is None
    if len(exponent) > 6 or abs(int(exponent)) > _LARGEST_EXPONENT:
        return Number(None, exact)
    return Number(sign * Fraction(Decimal(found["mantissa"])) * Fraction(10) ** int(exponent), exact)


def _fraction(over: str, under: str) -> Fraction | None:
    below = Fraction(Decimal(under))
    return Fraction(Decimal(over)) / below if below else None


def same_number(gold: Number, answer: Number) -> bool:
    """Whether two numbers are equal: exactly where both are exact, to six digits where one is a decimal."""
    if gold.value is None or answer.value is None:
        return False
    difference = abs(gold.value - answer.value)
    if gold.exact and answer.exact:
        return difference == 0
    whole = gold.value.denominator == 1 or answer.value.denominator == 1
    return difference <= TOLERANCE * max(abs(gold.value), abs(answer.value)) and not (whole and difference > _NEXT_TO_WHOLE)
