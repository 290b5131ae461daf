import itertools
from dataclasses import replace

import pytest

from hista_repro.benchmarks import Evaluation, disagreements, evaluate, readable_changes, regrade, regrading
from hista_repro.benchmarks.samples import kept_samples, read_manifest, samples_path, write_samples
from hista_repro.errors import Refused, WorkFailed
from hista_repro.problems.grading import Outcome
from hista_repro.problems.grading.model_verifier import ModelVerifier


@pytest.fixture
def folder(engine, config, tmp_path):
    evaluate(config, tmp_path / "out")
    return tmp_path / "out"


def rewrite(folder, benchmark, change):
    path = samples_path(folder, benchmark)
    write_samples(path, [{**sample, **change(sample)} for sample in kept_samples(path)])


def test_the_same_graders_change_nothing(folder, engine):
    batches, before = engine.batches, samples_path(folder, "tiny-sampled").read_bytes()
    assert regrade(folder).empty
    assert samples_path(folder, "tiny-sampled").read_bytes() == before
    assert engine.batches == batches


def test_outcomes_of_an_older_grader_are_replaced_and_listed(folder):
    before = Evaluation.read(folder).score("tiny-sampled")
    rewrite(folder, "tiny-sampled", lambda sample: {"outcome": "wrong", "answer": None})
    assert Evaluation.read(folder).score("tiny-sampled") == 0
    changes = regrade(folder)
    assert set(changes["benchmark"]) == {"tiny-sampled"} and set(changes["before"]) == {"wrong"}
    assert set(changes["now"]) == {"correct", "unparsed"}
    assert Evaluation.read(folder).score("tiny-sampled") == before
    assert regrade(folder).empty


def test_changes_are_counted_and_shown(folder):
    assert readable_changes(regrade(folder)) == "0 answers have another outcome now"
    rewrite(folder, "tiny-sampled", lambda sample: {"outcome": "timeout"})
    changes = regrade(folder)
    first, heads, *rows = readable_changes(changes, most=3).splitlines()
    assert first.startswith(f"{len(changes)} answers have another outcome now: ") and " timeout -> correct" in first
    assert heads.split() == regrading.CHANGES and len(rows) == 4 and rows[-1] == f"and {len(changes) - 3} more"


def test_a_changed_grader_is_seen(folder, monkeypatch):
    monkeypatch.setattr(regrading, "grade_all", lambda pairs, judge: [Outcome.TIMEOUT for _ in pairs])
    changes = regrade(folder)
    assert len(changes) == len(Evaluation.read(folder).samples)
    assert set(changes["now"]) == {"timeout"}


@pytest.fixture
def judged(engine, config, tmp_path, monkeypatch):
    """An evaluation with the verifier "kind", to which every answer is right; to any other none is."""
    monkeypatch.setattr(ModelVerifier, "judge", lambda self, *_: Outcome.CORRECT if self.model == "kind" else Outcome.WRONG)
    evaluate(replace(config, verifier="kind"), tmp_path / "judged")
    return tmp_path / "judged"


def test_the_own_verifier_judges_again(judged):
    assert regrade(judged).empty and read_manifest(judged)["config"]["verifier"] == "kind"


@pytest.mark.parametrize("verifier", ["strict", ""])
def test_another_verifier_takes_the_place_of_the_own_one(judged, engine, config, verifier):
    changes, batches = regrade(judged, verifier), engine.batches
    assert set(changes["before"]) == {"correct"} and set(changes["now"]) == {"wrong"}
    assert regrade(judged).empty
    assert evaluate(replace(config, verifier=verifier or None), judged)["status"] == "done" and engine.batches == batches
    assert set(regrade(judged, "kind")["now"]) == {"correct"}


def test_a_verifier_that_fails_on_the_way_changes_nothing(judged, monkeypatch):
    def grade_one_benchmark(pairs, judge):
        if next(benchmarks):
            raise WorkFailed("no reply")
        return [Outcome.WRONG for _ in pairs]

    benchmarks = itertools.count()
    monkeypatch.setattr(regrading, "grade_all", grade_one_benchmark)
    before = {path: path.read_bytes() for path in judged.rglob("*.json*")}
    with pytest.raises(WorkFailed):
        regrade(judged, "strict")
    assert {path: path.read_bytes() for path in judged.rglob("*.json*")} == before


def test_a_second_opinion_agrees_where_both_are_right(folder):
    assert disagreements(folder).empty


def test_disagreements_are_listed_with_both_opinions(folder):
    first = {}

    def claim(sample):
        outcome = {"correct": "wrong", "wrong": "correct"}.get(sample["outcome"], sample["outcome"])
        change = outcome != sample["outcome"] and outcome not in first
        return {"outcome": first.setdefault(outcome, outcome)} if change else {}

    rewrite(folder, "tiny-sampled", claim)
    found = disagreements(folder)
    assert sorted(zip(found["graded"], found["second_opinion"], strict=True)) == [("correct", "wrong"), ("wrong", "right")]
    assert set(found["benchmark"]) == {"tiny-sampled"}
    assert (found["gold"] == found["answer"]).tolist().count(True) == 1


def test_what_is_no_evaluation_is_refused(tmp_path):
    for look in (regrade, disagreements):
        with pytest.raises(Refused, match="holds no evaluation"):
            look(tmp_path)
