import pytest

from hista_repro.problems import Outcome, grade
from hista_repro.problems.gym import GYM_SOURCES

pytest.importorskip("reasoning_gym")


@pytest.mark.parametrize("source", GYM_SOURCES.values(), ids=list(GYM_SOURCES))
def test_a_source_is_a_stream_that_its_seed_decides(source):
    problems = source.problems(20, seed=3)
    assert problems == source.problems(300, seed=3)[:20]
    assert problems != source.problems(20, seed=4)
    assert len({problem.problem for problem in problems}) == 20


@pytest.mark.parametrize("source", GYM_SOURCES.values(), ids=list(GYM_SOURCES))
def test_answers_are_graded_as_the_package_gives_them(source):
    for problem in source.problems(5):
        assert grade(problem, rf"\boxed{{{problem.answer}}}") is Outcome.CORRECT
        assert grade(problem, r"\boxed{-987654}") is Outcome.WRONG
