import json

import pytest

from hista_repro.errors import Refused
from hista_repro.problems import load_problems
from hista_repro.problems.hub import HUB_SOURCES


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mixed.jsonl"
    rows = [
        {"id": f"p{i}", "domain": "number" if i % 2 else "math", "problem": f"{i}?", "answer": str(i), "verifier": "math"}
        for i in range(20)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def ids(problems):
    return [problem.id for problem in problems]


def test_a_file_is_read_whole_and_in_order_without_a_limit(file):
    assert ids(load_problems(str(file))) == [f"p{i}" for i in range(20)]
    assert ids(load_problems(str(file.parent))) == [f"p{i}" for i in range(20)]


def test_a_limit_takes_the_first_of_a_seeded_shuffle(file):
    few, more = load_problems(str(file), limit=5, seed=1), load_problems(str(file), limit=12, seed=1)
    assert ids(few) == ids(more)[:5] != [f"p{i}" for i in range(5)]
    assert ids(few) != ids(load_problems(str(file), limit=5, seed=2))
    assert len(load_problems(str(file), limit=99)) == 20


def test_a_domain_can_be_picked(file):
    assert {problem.domain for problem in load_problems(str(file), domain="number", limit=7)} == {"number"}
    with pytest.raises(Refused, match="no problems of the domain 'science', only of math, number"):
        load_problems(str(file), domain="science")


def test_built_in_sources_give_what_they_generate_first():
    assert load_problems("arithmetic-steps", limit=5, seed=1) == load_problems("arithmetic-steps", limit=9, seed=1)[:5]
    assert len(load_problems("arithmetic-steps")) == 1000
    assert len(load_problems("arithmetic-worked", domain="number", limit=10_000)) == 721


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"source": "no-such-source"}, "arithmetic-steps, arithmetic-worked, open-r1/DAPO"),
        ({"source": "missing.jsonl"}, "missing.jsonl"),
        ({"source": "arithmetic-steps", "limit": 0}, "limit must be at least 1, not 0"),
        ({"source": "arithmetic-steps", "domain": "poetry"}, "'poetry'"),
        ({"source": "arithmetic-steps", "domain": "math"}, "only of number"),
    ],
)
def test_refusals_name_what_is_wrong(arguments, complaint):
    with pytest.raises(Refused, match=complaint):
        load_problems(**arguments)


def test_a_file_that_is_no_json_lines_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(Refused, match="no known source"):
        load_problems(str(tmp_path / "notes.txt"))


CASES = [{"fn_name": None, "type": "stdin_stdout", "input": f"{i}\n", "output": f"{i}\n"} for i in range(6)]
# one usable row for each data set, and rows that make no problem
ROWS = {
    "open-r1/DAPO-Math-17k-Processed": [
        {"prompt": "1+1?", "solution": "2"},
        {"prompt": "1+1?", "solution": "2"},
        {"prompt": "", "solution": "2"},
    ],
    "DigitalLearningGmbH/MATH-lighteval": [
        {"problem": "Half?", "solution": r"It is $\boxed{\frac{1}{2}}$.", "level": "Level 1", "type": "Algebra"},
        {"problem": "Prove it.", "solution": "Clear.", "level": "Level 1", "type": "Algebra"},
    ],
    "open-r1/OpenR1-Math-220k": [
        {"problem": "Half?", "answer": "1/2", "question_type": "math-word-problem"},
        {"problem": "Prove it.", "answer": "proof", "question_type": "proof"},
    ],
    "open-r1/Mixture-of-Thoughts": [
        {"messages": [{"role": "user", "content": "Which?\nA: x\nB: y"}, {"role": "assistant", "content": r"So \boxed{\text{B}}"}]},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]},
    ],
    "TIGER-Lab/WebInstruct-verified": [
        {"question": "Is it?", "answer": "Yes", "answer_type": "Boolean", "category": "Physics", "difficulty": "University"},
        {"question": "1+1?", "answer": "2", "answer_type": "Integer", "category": "Mathematics", "difficulty": "University"},
        {"question": "2+1?", "answer": "3", "answer_type": "Integer", "category": "Physics", "difficulty": "Junior High School"},
    ],
    "open-r1/verifiable-coding-problems-python": [
        {"problem_statement": "Echo.", "verification_info": {"language": "python", "test_cases": CASES}},
        {"problem_statement": "Few.", "verification_info": {"language": "python", "test_cases": CASES[:5]}},
        {
            "problem_statement": "Call.",
            "verification_info": {"language": "python", "test_cases": [{**case, "type": "function_call"} for case in CASES]},
        },
    ],
}
ANSWERS = {
    "open-r1/DAPO-Math-17k-Processed": ("number", "math", "2"),
    "DigitalLearningGmbH/MATH-lighteval": ("math", "math", r"\frac{1}{2}"),
    "open-r1/OpenR1-Math-220k": ("math", "math", "1/2"),
    "open-r1/Mixture-of-Thoughts": ("science", "exact", "B"),
    "TIGER-Lab/WebInstruct-verified": ("general", "exact", "Yes"),
    "open-r1/verifiable-coding-problems-python": ("programming", "code", None),
}


@pytest.mark.parametrize("name", HUB_SOURCES)
def test_rows_of_the_hub_become_problems(name):
    (problem,) = HUB_SOURCES[name].read(ROWS[name])
    assert (problem.domain, problem.verifier, problem.answer) == ANSWERS[name]
    assert problem.source == name and "/" not in problem.id


def test_the_hub_is_asked_for_the_right_configuration(monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def fake(name, config, split):
        asked.append((name, config, split))
        return ROWS[name]

    monkeypatch.setattr(datasets, "load_dataset", fake)
    assert len(load_problems("open-r1/DAPO-Math-17k-Processed", domain="number", limit=3)) == 1
    assert asked == [("open-r1/DAPO-Math-17k-Processed", "en", "train")]


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def unreachable(*_, **__):
        raise ConnectionError("no route to host\nand a long story")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(Refused, match=r"did not give the data set .*DAPO.*: no route to host$"):
        load_problems("open-r1/DAPO-Math-17k-Processed")
