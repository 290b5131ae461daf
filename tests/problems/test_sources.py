import json

import pytest

from hista_repro.errors import Refused
from hista_repro.problems import load_problems, read_jsonl
from hista_repro.problems.arithmetic import ARITHMETIC_SOURCES
from hista_repro.problems.problem import DOMAINS
from hista_repro.problems.worked import WORKED_SOURCES


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


def test_every_domain_has_a_built_in_source():
    assert {load_problems(name, limit=1)[0].domain for name in [*ARITHMETIC_SOURCES, *WORKED_SOURCES]} == set(DOMAINS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"source": "no-such-source"}, r"arithmetic-steps, arithmetic-worked, .*open-r1/DAPO"),
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


PROGRAM = {
    "id": "p",
    "domain": "programming",
    "problem": "f",
    "verifier": "code",
    "meta": {"style": "worked", "examples": [["1?", "One."]]},
}
ASSERTS = {**PROGRAM, "tests": {"kind": "assert", "setup": "", "asserts": ["assert f(1)", "assert f(2)"]}}
STDIO = {**PROGRAM, "tests": {"kind": "stdio", "cases": [{"input": "1", "output": "1"}, {"input": "2", "output": "2"}]}}


def with_one_wrong(document, wrong):
    """`document` with `wrong` in the place of each of its parts, one after the other."""
    yield wrong
    parts = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for name, part in parts:
        for changed in with_one_wrong(part, wrong):
            copy = document.copy()
            copy[name] = changed
            yield copy


def with_one_missing(case):
    return [{name: case[name] for name in case if name != missing} for missing in case]


def test_a_row_of_the_right_form_is_read(tmp_path):
    (tmp_path / "good.jsonl").write_text(f"{json.dumps(ASSERTS)}\n{json.dumps({**STDIO, 'id': 'q'})}")
    assert [problem.tests for problem in read_jsonl(tmp_path / "good.jsonl")] == [ASSERTS["tests"], STDIO["tests"]]


@pytest.mark.parametrize(
    ("field", "row"),
    [
        *[
            ("tests", {**row, "tests": tests})
            for row in (ASSERTS, STDIO)
            for value in (1, [1])
            for tests in with_one_wrong(row["tests"], value)
        ],
        *[("tests", {**STDIO, "tests": {"kind": "stdio", "cases": [case]}}) for case in with_one_missing({"input": "1", "output": "1"})],
        *[("tests", {**STDIO, "tests": {**STDIO["tests"], "any_case": value}}) for value in ("yes", 1, None)],
        ("tests", {**ASSERTS, "tests": {**ASSERTS["tests"], "setup": None}}),
        *[("meta", {**STDIO, "meta": meta}) for value in (1, [1]) for meta in with_one_wrong(PROGRAM["meta"], value)],
        *[("meta", {**STDIO, "meta": meta}) for meta in ("x", {"style": "haiku"}, {"examples": ["ab"]}, {"examples": None})],
    ],
)
def test_wrong_tests_and_meta_are_refused_with_their_line(tmp_path, field, row):
    path = tmp_path / "bad.jsonl"
    path.write_text(f"{json.dumps({**STDIO, 'id': 'good'})}\n\n{json.dumps(row)}")
    with pytest.raises(Refused, match=rf"bad\.jsonl, line 3: (each of )?{field}\b.* must be|bad\.jsonl, line 3: meta\.style .* is none of"):
        read_jsonl(path)


def test_a_number_that_python_does_not_convert_is_refused_with_its_line(tmp_path):
    (tmp_path / "long.jsonl").write_text(f'{{"id": {"7" * 5000}}}')
    with pytest.raises(Refused, match="line 1: Exceeds the limit"):
        read_jsonl(tmp_path / "long.jsonl")
