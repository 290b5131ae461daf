"""Grading programs: all tests of a problem are run in the sandbox (the release runs a random five of them)."""

import math
import textwrap

from hista_repro.problems.grading.outcome import Outcome
from hista_repro.problems.problem import Problem
from hista_repro.sandbox import Ending, run

_LANGUAGES = frozenset({"", "python", "python3", "py"})
_OUTCOMES = {
    Ending.FINISHED: Outcome.CORRECT,
    Ending.FAILED: Outcome.WRONG,
    Ending.CRASH: Outcome.CRASH,
    Ending.TIMEOUT: Outcome.TIMEOUT,
    Ending.SANDBOX_ERROR: Outcome.SANDBOX_ERROR,
}
_TOLERANCE = 1e-6


def extract_program(text: str) -> str | None:
    """The last complete block of Python, or of no named language, in `text`; None where it has none."""
    found, block, language = None, None, ""
    for line in text.split("\n"):
        if block is None and line.lstrip().startswith("```"):
            block, language = [], line.strip("` \t").casefold()
        elif block is not None and line.strip() == "```":
            if language in _LANGUAGES and any(map(str.strip, block)):
                found = textwrap.dedent("\n".join([*block, ""]))
            block = None
        elif block is not None:
            block.append(line)
    return found


def grade_program(problem: Problem, program: str) -> Outcome:
    """Whether `program` passes every test of `problem`; otherwise how the first test that it does not pass ended.

    Raises `Refused` where this machine cannot isolate programs; see `hista_repro.sandbox.chosen`.
    """
    tests = problem.tests
    if tests["kind"] == "assert":
        return _OUTCOMES[run(program, setup=tests.get("setup", ""), asserts=tests["asserts"]).ending]
    for case in tests["cases"]:
        ran = run(program, stdin=case["input"])
        if ran.ending is not Ending.FINISHED:
            return _OUTCOMES[ran.ending]
        if not same_output(case["output"], ran.stdout):
            return Outcome.WRONG
    return Outcome.CORRECT


def same_output(gold: str, output: str) -> bool:
    """Whether two outputs consist of the same words, where two decimal numbers are the same within 1e-6, relative or absolute."""
    golds, words = gold.split(), output.split()
    return len(golds) == len(words) and all(map(_same_word, golds, words))


def _same_word(gold: str, word: str) -> bool:
    if gold == word:
        return True
    if "." not in gold + word:
        return False
    try:
        return math.isclose(float(gold), float(word), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    except ValueError:
        return False
