r"""A second opinion on stored answers, by other means than the graders': plain text and plain numbers, no computer algebra.

Quantities are equal if they are the same text once formatting is taken away, or the same number. Letters and words are searched in the
whole text. A program runs once with all its tests behind it, as a script of its own. Extraction of quantities and programs is shared with
the graders; what is independent is how they are compared and run.
"""

import re
import secrets
from fractions import Fraction

from hista_repro.problems.problem import Problem
from hista_repro.sandbox import Ending, run

_TOLERANCE = Fraction(1, 10**6)
"""Relative to the larger of two numbers; math-verify rounds to six digits after the point."""
_LONGEST = 1000
"""Characters of a plain number. Python converts 4300 digits at most."""
_FORMATTING = (
    (re.compile(r"\\(?:text|mathrm|textbf|mbox)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[!,;: ]|\\?[$%]|\s|\^\{?\\circ\}?"), ""),
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"\.$"), ""),
)
_DECIMAL = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(rf"({_DECIMAL})(?:[eE]([+-]?\d{{1,3}})|\\times10\^\{{?([+-]?\d{{1,3}})\}}?)?")
_RATIO = re.compile(rf"({_DECIMAL})/({_DECIMAL})|([+-]?)\\frac\{{({_DECIMAL})\}}\{{({_DECIMAL})\}}")
_BOXED_LETTER = re.compile(r"\\f?boxed\s*\{[^A-Za-z{}]*(?:\\[a-z]+\s*\{)?\W*([A-Z])(?![A-Za-z])")
_STATED_LETTER = re.compile(r"answer\W+(?:is\W+)?(?:option\W+|choice\W+)?\**\(?([A-Z])(?![A-Za-z])", re.IGNORECASE)


def second_opinion(problem: Problem, text: str, answer: str | None) -> bool | None:
    """Whether the completion `text`, from which the graders took `answer`, is right; None where plain means cannot tell.

    Raises `Refused` for a program where this machine cannot isolate programs.
    """
    match problem.verifier:
        case "choice":
            letters = _BOXED_LETTER.findall(text) or _STATED_LETTER.findall(text)
            return bool(letters) and letters[-1].upper() == problem.answer
        case "exact":
            return answer is not None and _bare(answer) == _bare(problem.answer)
        case "code":
            if answer is not None and "asserts" not in problem.tests:
                return None  # tests of what a program prints have no script
            return answer is not None and passes_as_script(answer, problem)
    return answer is not None and same_quantity(problem.answer, answer)


def same_quantity(gold: str, answer: str) -> bool | None:
    """Whether two quantities are the same text or the same number; None where they differ as text and one of them is no plain number."""
    gold, answer = _unformatted(gold), _unformatted(answer)
    if gold == answer:
        return True
    numbers = _number(gold), _number(answer)
    if None in numbers:
        return None
    return abs(numbers[0] - numbers[1]) <= _TOLERANCE * max(map(abs, numbers))


def passes_as_script(program: str, problem: Problem) -> bool:
    """Whether `program`, with the asserts of `problem` written behind it, runs to its end."""
    receipt = secrets.token_hex()
    lines = [problem.tests.get("setup", ""), program, *problem.tests["asserts"], f"print({receipt!r})"]
    ran = run("\n".join(lines))
    return ran.ending is Ending.FINISHED and ran.stdout.splitlines()[-1:] == [receipt]


def _unformatted(text: str) -> str:
    text = text.strip()
    for pattern, replacement in _FORMATTING:
        text = pattern.sub(replacement, text)
    return text


def _number(text: str) -> Fraction | None:
    if len(text) > _LONGEST:
        return None
    if found := _NUMBER.fullmatch(text):
        mantissa, *exponents = found.groups()
        return Fraction(mantissa) * Fraction(10) ** int(next(filter(None, exponents), 0))
    if found := _RATIO.fullmatch(text):
        above, below, sign, over, under = found.groups()
        denominator = Fraction(below or under)
        return Fraction(f"{sign or ''}1") * Fraction(above or over) / denominator if denominator else None
    return None


def _bare(text: str) -> str:
    return _unformatted(text).strip(".,;:!").casefold()
