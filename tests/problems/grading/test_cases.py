"""The table of cases, in which each kind that the graders once got wrong is kept."""

from collections import defaultdict

import pytest

from hista_repro.problems import grade
from hista_repro.problems.grading import Outcome
from hista_repro.problems.grading.cases import load_cases
from hista_repro.sandbox import Isolation, works

CASES = load_cases()
ISOLATED = any(map(works, (Isolation.BWRAP, Isolation.NAMESPACES)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.problem.id} {case.kind}")
def test_a_completion_has_the_outcome_that_it_is_meant_to_have(case):
    if case.problem.verifier == "code" and not ISOLATED:
        pytest.skip("this machine gives no isolation, so no program is run")
    assert grade(case.problem, case.text) in case.want


def test_no_completion_is_meant_to_be_both():
    wanted = defaultdict(set)
    for case in CASES:
        key = (case.problem.answer, case.problem.choices, case.problem.verifier, str(case.problem.tests), case.problem.problem, case.text)
        wanted[key].add(case.want)
    assert all(len(wants) == 1 for wants in wanted.values())


def test_kinds_have_traps_and_answers():
    """In each group many completions must be found right, and many must not."""
    groups = defaultdict(list)
    for case in CASES:
        groups[case.group].append(Outcome.CORRECT in case.want)
    assert len(CASES) > 1000
    assert all(0.2 < sum(right) / len(right) < 0.8 for right in groups.values())
