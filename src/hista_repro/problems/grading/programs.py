"""Grading programs: all tests of a problem are run in the sandbox (the release runs a random five of them).

A program may import the standard library, and nothing else, at each level of isolation and on each machine; see `hista_repro.sandbox`.
What of a completion is its program is said in `program_text`.
"""

import math
import os
import re
from fractions import Fraction
from threading import BoundedSemaphore
from typing import Any

from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.grading.program_text import extract_program
from hista_repro.problems.problem import Problem
from hista_repro.sandbox import Ending, Run, run

__all__ = ["allows_any_case", "extract_program", "grade_program", "same_output"]

_OUTCOMES = {
    Ending.FINISHED: Outcome.CORRECT,
    Ending.FAILED: Outcome.WRONG,
    Ending.CRASH: Outcome.CRASH,
    Ending.TIMEOUT: Outcome.TIMEOUT,
    Ending.SANDBOX_ERROR: Outcome.SANDBOX_ERROR,
}
_CORES = BoundedSemaphore(os.cpu_count() or 1)
_TOLERANCE = 1e-6
_LONGEST = 1000
"""Characters of a number. Python converts 4300 digits at most."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_ANY_CASE = re.compile(
    r"\b(?:print|output|write)(?:s|ed|ted)?\b[^.\n]*?\bin (?:any|either|arbitrary) (?:letter )?(?:case|register)\b"
    r"|\b(?:output|answer|verdict|checker|judge)s? (?:is|are|will be) (?:not case[- ]sensitive|case[- ]insensitive)"
    r"|\b(?:yes|no|answer|output)\W*\(case[- ]insensitive\)",
    re.IGNORECASE,
)


def grade_program(problem: Problem, program: str) -> Outcome:
    """Whether `program` passes every test of `problem`; otherwise how the first test that it does not pass ended.

    Raises `Refused` where this machine cannot isolate programs; see `hista_repro.sandbox.chosen`.
    """
    tests = problem.tests
    if tests["kind"] == "assert":
        return _OUTCOMES[_run(program, setup=tests.get("setup", ""), asserts=tests["asserts"]).ending]
    any_case = allows_any_case(problem)
    for case in tests["cases"]:
        ran = _run(program, stdin=case["input"])
        if ran.ending is not Ending.FINISHED:
            return _OUTCOMES[ran.ending]
        if not same_output(case["output"], ran.stdout, any_case=any_case):
            return Outcome.WRONG
    return Outcome.CORRECT


def _run(program: str, **options: Any) -> Run:
    """Run a program as soon as a core is free: more at once would use up each other's time on the clock."""
    with _CORES:
        return run(program, **options)


def allows_any_case(problem: Problem) -> bool:
    """Whether letters of the output may be of either case: as `tests["any_case"]` says, or else the statement."""
    allowed = problem.tests.get("any_case")
    return _ANY_CASE.search(problem.problem) is not None if allowed is None else allowed


def same_output(gold: str, output: str, *, any_case: bool = False) -> bool:
    """Whether two outputs consist of the same words.

    Two numbers are the same word within 1e-6, relative or absolute, if both are decimal. If one is whole, they are so within 1e-6: a count
    or a remainder of nine digits is not right because it is nearly right. Two whole numbers are compared as text.
    """
    if any_case:
        gold, output = gold.casefold(), output.casefold()
    golds, words = gold.split(), output.split()
    return golds == words or (len(golds) == len(words) and all(map(_same_word, golds, words)))


def _same_word(gold: str, word: str) -> bool:
    if gold == word:
        return True
    if max(len(gold), len(word)) > _LONGEST or not (_NUMBER.fullmatch(gold) and _NUMBER.fullmatch(word)):
        return False
    match _WHOLE.fullmatch(gold) is not None, _WHOLE.fullmatch(word) is not None:
        case True, True:
            return False
        case False, False:
            return math.isclose(float(gold), float(word), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return abs(Fraction(gold) - Fraction(word)) <= _TOLERANCE
