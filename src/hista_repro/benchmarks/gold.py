r"""Gold answers, given as a model would give them: what a grader must find right, and must be able to read.

The check runs before anything is asked, since a gold answer that the grader cannot read would count every answer as wrong.
"""

import ast
from collections import Counter
from collections.abc import Sequence

import numpy as np

from hista_repro.problems.grading import Outcome, grade, grade_all
from hista_repro.problems.grading.quantities import compare_quantities
from hista_repro.problems.problem import Problem
from hista_repro.seeding import derive_seed

_UNREAD = (Outcome.UNPARSED, Outcome.CRASH, Outcome.TIMEOUT)


def gold_completion(problem: Problem) -> str | None:
    """A completion that gives the gold answer in the form that the prompt asks for; None for a program without a reference solution."""
    if problem.verifier == "code":
        reference = problem.meta.get("reference")
        return f"```python\n{reference}\n```" if reference else None
    if problem.meta.get("style") == "steps":
        return f"A:{problem.answer}"
    return rf"\boxed{{{problem.answer}}}"


def unreadable(problem: Problem) -> str | None:
    """Why the grader could not recognise the gold answer of `problem`, as half a sentence; None if it can. Programs are not run."""
    if problem.verifier == "code":
        return _unreadable_tests(problem)
    if (outcome := grade(problem, gold_completion(problem))) is not Outcome.CORRECT:
        return f"given as an answer, the gold answer {problem.answer!r} is {outcome}"
    if problem.verifier == "math" and (outcome := compare_quantities("0", problem.answer)) in _UNREAD:
        return f"compared with 0, the gold answer {problem.answer!r} is {outcome}; correct it, or give the row the verifier 'exact'"
    return None


def gold_outcomes(problems: Sequence[Problem], *, shuffled: bool = False, seed: int = 0) -> list[Outcome]:
    """What grading gives if every gold answer is given as the answer to its own question or, `shuffled`, to that of another."""
    completions = [gold_completion(problem) for problem in problems]
    if None in completions:
        raise ValueError(f"problems: {problems[completions.index(None)].id!r} has no reference solution to give")
    if shuffled:
        order = np.random.default_rng(derive_seed(seed, "shuffled gold")).permutation(len(problems))
        completions = [completions[other] for other in order]
    return grade_all(list(zip(problems, completions, strict=True)))


def _unreadable_tests(problem: Problem) -> str | None:
    sources = [problem.tests.get("setup", ""), *problem.tests.get("asserts", [])]
    for source in sources:
        try:
            ast.parse(source)
        except (SyntaxError, ValueError) as error:
            return f"a test is not Python ({getattr(error, 'msg', error)})"
    return None


def chance(problems: Sequence[Problem]) -> float:
    """What shuffled gold answers score on average if only equal strings are the same answer."""
    counts = Counter(problem.answer for problem in problems)
    return sum(count**2 for count in counts.values()) / len(problems) ** 2
