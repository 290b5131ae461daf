"""What a build records of its graders, and the filter on numbers."""

import json
from dataclasses import replace
from statistics import median

import pytest

from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators.milestones import milestones
from hista_repro.files import read_json, write_json
from hista_repro.problems.grading import programs as program_grader
from hista_repro.sandbox import Ending, Isolation, Run, execute, works
from hista_repro.sveb import build
from hista_repro.sveb.records import read_table
from small_build import KEEPS_EVERY_PROBLEM

BUILD = replace(KEEPS_EVERY_PROBLEM, limit=3, states=1, references=2, draws=0)

isolated = pytest.mark.skipif(
    not any(map(works, (Isolation.BWRAP, Isolation.NAMESPACES))), reason="this machine gives no isolation, so no program is run"
)


@pytest.fixture
def programs(tmp_path):
    """A build of one problem that asks for a program; `tiny` never writes one."""
    row = {"id": "p", "domain": "programming", "problem": "2-9-3+25?", "verifier": "code", "meta": {"style": "steps"}}
    row["tests"] = {"kind": "assert", "setup": "", "asserts": ["assert f(1) == 2"]}
    (tmp_path / "programs.jsonl").write_text(json.dumps(row))
    return replace(BUILD, problems=str(tmp_path / "programs.jsonl"))


@isolated
def test_the_isolation_of_programs_is_recorded(programs, tmp_path):
    manifest = build(programs, tmp_path / "out")
    assert manifest["isolation"] in ("bwrap", "namespaces") and manifest["libraries"] == "standard library"
    assert manifest["counts"]["rollouts_unparsed"] == manifest["counts"]["rollouts"] == 4
    assert manifest["counts"]["rollouts_timeouts"] == manifest["counts"]["continuations_timeouts"] == 0


@isolated
def test_a_build_does_not_go_on_under_another_isolation(programs, tmp_path):
    build(programs, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    write_json(path, {**read_json(path), "isolation": "none", "status": "running"})
    with pytest.raises(Refused, match="ran under none, not"):
        build(programs, tmp_path / "out")


def test_programs_that_cannot_be_isolated_are_refused_before_anything_is_written(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "works", lambda level: False)
    monkeypatch.delenv(execute.CHOICE, raising=False)
    execute._choose.cache_clear()
    with pytest.raises(Refused, match="cannot be isolated"):
        build(programs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    execute._choose.cache_clear()


def test_a_sandbox_that_breaks_stops_the_build(programs, tmp_path, monkeypatch):
    monkeypatch.setenv(execute.CHOICE, "none")
    monkeypatch.setattr("hista_repro.problems.grading.extract_program", lambda text, _: text)
    monkeypatch.setattr(program_grader, "run", lambda *_, **__: Run(Ending.SANDBOX_ERROR, "", "", Isolation.NONE))
    with pytest.raises(WorkFailed, match="sandbox did not run a program for problem 'p'"):
        build(programs, tmp_path / "out")


def test_new_numbers_are_counted_and_filtered(tmp_path):
    manifest = build(BUILD, tmp_path / "all")
    problems, screening = (read_table(tmp_path / "all", name) for name in ("problems", "screening"))
    for problem in problems.itertuples():
        asked = {number.value for number in milestones(problem.problem)}
        texts = screening[screening.problem_id == problem.problem_id].text
        assert problem.new_numbers == median(len({number.value for number in milestones(text)} - asked) for text in texts)
    assert manifest["isolation"] is manifest["libraries"] is None and manifest["counts"]["dropped_few_numbers"] == 0
    with pytest.raises(WorkFailed, match="1000 or more new numbers"):
        build(replace(BUILD, min_new_numbers=1000), tmp_path / "none")
