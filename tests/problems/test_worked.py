import re

import pytest

from hista_repro.problems import Outcome, extract_answer, grade, load_problems
from hista_repro.problems.grading.programs import extract_program
from hista_repro.problems.worked import WORKED_SOURCES
from hista_repro.sandbox import Isolation, works

SOURCES = pytest.mark.parametrize("source", WORKED_SOURCES.values(), ids=list(WORKED_SOURCES))


@SOURCES
def test_a_source_is_a_stream_that_its_seed_decides(source):
    problems = source.problems(30, seed=3)
    assert problems == source.problems(50, seed=3)[:30]
    assert problems != source.problems(30, seed=4)
    assert len({problem.id for problem in problems}) == len({problem.problem for problem in problems}) == 30
    assert {problem.domain for problem in problems} == {source.domain}


@SOURCES
def test_examples_are_shown_and_never_asked(source):
    problems = source.problems(10_000)
    (shown,) = {problem.meta["examples"] for problem in problems}
    assert len(shown) == source.shown
    assert {question for question, _ in shown}.isdisjoint(problem.problem for problem in problems)
    assert len(problems) > 200


@SOURCES
def test_worked_answers_lead_to_the_answer(source):
    problem = source.problems(1)[0]
    for task in source.examples():
        found = extract_answer(problem, task.worked)
        assert found == (task.answer or extract_program(task.worked))


@pytest.mark.parametrize("name", ["equations-worked", "atoms-worked"])
def test_every_step_of_a_worked_sum_holds(name):
    for task in WORKED_SOURCES[name].examples():
        steps = re.findall(r"(\d+ [-+/] \d+) = (\d+)", task.worked)
        assert len(steps) == 2
        assert all(eval(left) == int(right) for left, right in steps)


def test_equations_are_solved_by_their_answers():
    for problem in load_problems("equations-worked", limit=50):
        left, right = re.fullmatch(r"Solve (\d+x \+ \d+) = (\d+) for x\.", problem.problem).groups()
        assert eval(left.replace("x", f"*{problem.answer}")) == int(right)


def test_atoms_are_counted():
    for problem in load_problems("atoms-worked", limit=50):
        formula = re.search(r"molecule of (\w+)", problem.problem)[1]
        assert sum(map(int, re.findall(r"\d+", formula))) == int(problem.answer)


def test_orders_follow_from_the_clues():
    for problem in load_problems("order-worked", limit=50):
        pairs = re.findall(r"(\w+) is older than (\w+)", problem.problem)
        people = {person for pair in pairs for person in pair}
        losing = 1 if "oldest" in problem.problem else 0
        (answer,) = people - {pair[losing] for pair in pairs}
        assert answer == problem.answer


@pytest.mark.skipif(
    not any(map(works, (Isolation.BWRAP, Isolation.NAMESPACES))), reason="this machine gives no isolation, so no program is run"
)
def test_a_worked_program_passes_and_a_constant_fails():
    source = WORKED_SOURCES["functions-worked"]
    problem = source.problems(1)[0]
    for task in source.examples()[:3]:
        same = type(problem)(**{**vars(problem), "tests": task.tests})
        assert grade(same, task.worked) is Outcome.CORRECT
        assert grade(same, "```python\ndef f(a): return 'x'\n```") is Outcome.WRONG
