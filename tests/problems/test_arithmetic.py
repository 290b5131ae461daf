import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.problems import arithmetic
from hista_repro.problems.arithmetic import ARITHMETIC_SOURCES, WORKED_EXAMPLES

TERMS = st.tuples(st.integers(1, 30), *[st.integers(-30, 30).filter(bool)] * 5)


def test_worked_by_hand():
    assert arithmetic.steps_question((2, -9, -3, 25)) == "2-9-3+25?"
    assert arithmetic.steps_answer((2, -9, -3, 25)) == "2-9=-7;-7-3=-10;-10+25=15A:15"
    assert arithmetic.worked_question((9, 2, 3)) == "What is 9 + 2 + 3?"
    assert arithmetic.worked_answer((9, 2, 3)) == "9 + 2 = 11. 11 + 3 = 14. The answer is 14."


@given(TERMS)
def test_every_step_of_an_answer_holds(terms):
    steps, _, final = arithmetic.steps_answer(terms).partition("A:")
    for step in steps.split(";"):
        left, _, right = step.partition("=")
        assert eval(left) == int(right)
    assert eval(arithmetic.signed_sum(terms)) == sum(terms) == int(final)


@pytest.mark.parametrize("name", ARITHMETIC_SOURCES)
def test_a_source_is_a_stream_that_its_seed_decides(name):
    source = ARITHMETIC_SOURCES[name]
    problems = source.problems(50, seed=3)
    assert problems == source.problems(80, seed=3)[:50]
    assert problems != source.problems(50, seed=4)
    assert len({problem.id for problem in problems}) == len({problem.problem for problem in problems}) == 50


@pytest.mark.parametrize("name", ARITHMETIC_SOURCES)
def test_problems_are_graded_by_their_sum(name):
    for problem in ARITHMETIC_SOURCES[name].problems(20):
        expression = re.sub(r"[^\d+-]", "", problem.problem)
        assert int(problem.answer) == eval(expression)
        assert (problem.domain, problem.verifier, problem.source) == ("number", "exact", name)


def test_all_worked_problems_can_be_had_and_none_is_an_example():
    source = ARITHMETIC_SOURCES["arithmetic-worked"]
    everything = source.problems(10_000)
    assert len(everything) == source.distinct == 9**3 - 8
    shown = {arithmetic.worked_question(terms) for terms in WORKED_EXAMPLES}
    assert shown.isdisjoint(problem.problem for problem in everything)
