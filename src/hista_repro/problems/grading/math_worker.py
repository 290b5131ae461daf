"""A process in which math-verify compares expressions: one JSON line in, one outcome out. Run by `math_pool`.

A comparison can spin inside one arithmetic operation, which no exception stops. So the timer of CPU time keeps its default action here:
the operating system ends the process when a comparison has used up its time, even after the parent was killed.
"""

import json
import logging
import resource
import signal
import sys
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import Any

from latex2sympy2_extended import latex2sympy
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from sympy import Basic, Eq, Expr, Float, Rational, Union
from sympy import FiniteSet as SetOfAnswers
from sympy.core.relational import Relational

from hista_repro.problems.grading.numbers import Number, same_number
from hista_repro.problems.grading.outcome import Outcome

MEMORY_LIMIT = 4 << 30
"""Bytes of address space."""
_TARGETS = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
_DIGITS = 40
"""Decimal digits to which numbers are evaluated; math-verify rounds to 6 behind the point, for which all tiny numbers are 0."""

_ROUNDING = Fraction(1, 10**30)


@lru_cache(maxsize=4096)
def _parse(answer: str) -> list[Any]:
    forms = parse(rf"\boxed{{{answer}}}", extraction_config=_TARGETS, parsing_timeout=None, raise_on_error=True)
    if not any(isinstance(form, Basic) for form in forms):
        with suppress(Exception):  # what math-verify takes for a unit and cuts off, "bc" among it, may be variables
            forms = [latex2sympy(answer, is_real=True, convert_degrees=False, normalization_config=None)]
    return forms


def compare(gold: str, answer: str, factor: Fraction) -> Outcome:
    """Whether the LaTeX or number text `answer`, times `factor`, equals `gold`. math-verify is not symmetric: gold comes first."""
    try:
        gold_forms, answer_forms = _parse(gold), _parse(answer)
        if not answer_forms:
            return Outcome.UNPARSED
        one, other = _number(gold_forms), _number(answer_forms)
        if one and other:
            same = same_number(one, other if factor == 1 else other.times(factor)) or _same_irrational(one, other.times(factor))
        else:
            same = factor == 1 and verify(
                gold_forms, _solutions(answer_forms), allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True
            )
    except Exception:
        return Outcome.CRASH
    return Outcome.CORRECT if same else Outcome.WRONG


def _same_irrational(gold: Number, answer: Number) -> bool:
    """Whether two exact numbers are the same but for the digits to which they were evaluated."""
    return gold.exact and answer.exact and abs(gold.value - answer.value) <= _ROUNDING * max(abs(gold.value), abs(answer.value), _ROUNDING)


def _solutions(forms: list[Any]) -> list[Any]:
    """Inequalities with "or" between them, which are parsed as a set of relations, as the set of what solves one of them."""
    if isinstance(forms[0], SetOfAnswers) and all(isinstance(part, Relational) and not isinstance(part, Eq) for part in forms[0].args):
        return [Union(*(part.as_set() for part in forms[0].args))]
    return forms


def _number(forms: list[Any]) -> Number | None:
    """What a real number without variables is, to `_DIGITS` digits; None for anything else."""
    form = next((form for form in forms if isinstance(form, Basic)), None)
    if not isinstance(form, Expr) or form.free_symbols or not form.is_number:
        return None
    exact = not form.has(Float)
    form = form.doit()
    if isinstance(form, Rational):
        return Number(Fraction(int(form.p), int(form.q)), exact)
    value = form.evalf(_DIGITS)
    if not value.is_Float or not value.is_finite:
        return None
    ratio = Rational(value)
    return Number(Fraction(int(ratio.p), int(ratio.q)), exact)


def main() -> None:
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time-outs, which break in threads, are off
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt from the keyboard is for the parent
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    compare("(x+1)^2", "x^2+2x+1", Fraction(1))  # what sympy does once is done before anybody waits
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        outcome = compare(request["gold"], request["answer"], Fraction(request["factor"]))
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(outcome, flush=True)


if __name__ == "__main__":
    main()
