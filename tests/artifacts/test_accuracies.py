import json
from html import escape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts import accuracies as room
from hista_repro.artifacts.accuracies import Asked, accuracy_differences, judge_accuracies, measure_accuracies
from hista_repro.artifacts.accuracy_figure import plot_accuracies
from hista_repro.artifacts.accuracy_tables import (
    readable_accuracies,
    readable_answers,
    readable_benchmarks,
    readable_disagreements,
    readable_gains,
    readable_needs,
    texts,
)
from hista_repro.artifacts.printed_accuracies import AVERAGE, COLUMNS
from hista_repro.artifacts.verdicts import Word
from hista_repro.benchmarks import benchmarks
from hista_repro.benchmarks.samples import samples_path, write_questions, write_samples
from hista_repro.benchmarks.suites import SUITES
from hista_repro.errors import Refused

ROWS = [
    {"row": "before training", "model": "tiny"},
    {"row": "DAPO", "model": "better", "block": "tiny"},
    {"row": "DAPO + Hista", "model": "best", "block": "tiny"},
    {"row": "CISPO", "model": "no/such/folder", "block": "tiny", "train": "hista-repro train tiny.yaml run=cispo"},
]
CHANCES = {"tiny": 0.3, "better": 0.5, "best": 0.8}
SUITE_NAMES = ["tiny-held-out", "tiny-sampled"]


@pytest.fixture(autouse=True)
def evaluations(tmp_path, monkeypatch):
    """Every model answers right with a chance of its own, instead of being asked."""

    def record(settings):
        folder = tmp_path / settings["model"].replace("/", "-")
        rng = np.random.default_rng(len(settings["model"]))
        asked = {}
        for name in settings["benchmarks"]:
            problems = SUITES[name].problems()[:40]
            count = benchmarks()[name].samples
            write_questions(folder, name, problems)
            write_samples(
                samples_path(folder, name),
                [sample(p, s, rng.random() < CHANCES[settings["model"]]) for p in problems for s in range(count)],
            )
            asked[name] = {"questions": len(problems), "sha256": name, "samples": count, "temperature": 0.1, "max_tokens": 112}
        manifest = {
            "status": "done",
            "questions": asked,
            "model_sha256": settings["model"],
            "config": {"seed": 0, "benchmarks": list(asked)},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    monkeypatch.setattr(room, "record", record)


def sample(problem, number, right):
    answer = problem.answer if right else str(int(problem.answer) + 1)
    outcome = "correct" if right else "wrong"
    return {"problem_id": problem.id, "sample": number, "text": f"A:{answer}", "answer": answer} | {
        "outcome": outcome,
        "tokens": 3,
        "finish_reason": "stop",
    }


@pytest.fixture
def measured():
    return measure_accuracies(5, ROWS, Asked(SUITE_NAMES))


def test_rows_with_a_checkpoint_are_measured_and_others_say_what_they_need(measured):
    assert [arm.name for arm in measured.measured] == ["before training", "DAPO", "DAPO + Hista"]
    table = readable_accuracies(measured).frame.set_index("arm")
    assert list(table.columns) == ["model", "held out", "held out, avg@16", AVERAGE, "paper, average"]
    assert set(table.loc["CISPO", ["held out", "held out, avg@16", AVERAGE]]) == {"not run"}
    needed = readable_needs(measured.missing)
    assert needed == "- tiny, CISPO: not run: needs `hista-repro train tiny.yaml run=cispo`"


def test_the_average_is_that_of_the_columns(measured):
    evaluation = measured.measured[0].evaluation
    assert evaluation.score(measured.columns[AVERAGE]) == pytest.approx(np.mean([evaluation.score(name) for name in SUITE_NAMES]))


def test_the_papers_columns_are_used_where_their_benchmarks_are_asked():
    columns = room._columns(5, ["math-500", "aime24", "aime25", "tiny-held-out"])
    assert list(columns) == ["MATH", "AIME", "held out", AVERAGE]
    assert columns["AIME"] == ("aime24", "aime25") and columns[AVERAGE] == ("math-500", ("aime24", "aime25"), "tiny-held-out")


def test_a_clear_gain_in_the_papers_direction_agrees(measured):
    findings = {finding.claim: finding for finding in judge_accuracies(measured)}
    assert findings["DAPO + Hista has a higher average than DAPO"].word is Word.AGREES
    assert "5 models" in findings["DAPO + Hista has a higher average than DAPO"].paper
    others = [finding for claim, finding in findings.items() if "DAPO" not in claim]
    assert others and {finding.word for finding in others} == {Word.NOT_RUN}


def test_a_gain_is_shown_with_what_could_be_found(measured):
    (row,) = readable_gains(measured).frame.to_dict("records")
    assert row["comparison"] == "DAPO + Hista − DAPO" and row["average in words"] == "higher"
    assert 0 < float(row["smallest to be found"]) < 0.3


def test_without_a_pair_there_are_headings_and_no_rows():
    measured = measure_accuracies(5, ROWS[:1], Asked(SUITE_NAMES))
    assert readable_gains(measured).frame.empty
    assert {finding.word for finding in judge_accuracies(measured)} == {Word.NOT_RUN}


def test_every_answer_is_accounted_for(measured):
    answers = readable_answers(measured).frame
    assert len(answers) == 3 * len(SUITE_NAMES)
    assert set(answers["questions × samples"]) == {"40 × 1", "30 × 16"}
    assert readable_disagreements(measured).frame.empty
    assert "0 disagreements over 1560 answers" in readable_disagreements(measured).caption


def test_a_model_of_ones_own_is_a_further_row():
    measured = measure_accuracies(5, ROWS[:2], Asked(SUITE_NAMES), model="best")
    assert [(arm.block, arm.name) for arm in measured.arms][-1] == ("best", "your own")


def test_a_shared_training_run_is_a_row(monkeypatch):
    import hista_repro.training.record as training

    asked = []
    monkeypatch.setattr(training, "record", lambda settings: asked.append(settings) or Path("runs"))
    monkeypatch.setitem(CHANCES, "runs/model", 0.5)
    rows = [*ROWS[:1], {"row": "DAPO", "run": "none"}]
    measured = measure_accuracies(5, rows, Asked(SUITE_NAMES, config="tiny.yaml", training={"steps": 3, "seed": 1}))
    assert [(arm.block, arm.name) for arm in measured.measured] == [("tiny", "before training"), ("tiny", "DAPO")]
    assert (asked[0]["steps"], asked[0]["seed"], asked[0]["estimator"]) == (3, 1, "none") and "out" not in asked[0]


@pytest.mark.parametrize(
    "row", [{"row": "DAPO"}, {"model": "tiny"}, {"row": "DAPO", "model": "tiny", "run": "none"}, {**ROWS[0], "size": 3}]
)
def test_a_row_of_another_form_is_refused(row):
    with pytest.raises(Refused, match="a row has `row`, either `run` or `model`"):
        measure_accuracies(5, [row], Asked(SUITE_NAMES))


def test_no_model_at_all_is_refused():
    with pytest.raises(Refused, match="no model of rows exists"):
        measure_accuracies(5, ROWS[-1:], Asked(SUITE_NAMES))


def test_the_figure_has_a_panel_for_each_model_and_one_for_the_paper(measured):
    figure = plot_accuracies(measured)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["Here: tiny", "Paper: Qwen2.5-0.5B"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["held out", "held out, avg@16", AVERAGE]


def test_what_text_and_provenance_show(measured):
    assert texts(measured)["first"] == "tiny, before training"
    assert [arm.build["model"] for arm in measured.measured] == ["tiny", "tiny (DAPO)", "tiny (DAPO + Hista)"]
    assert any(sentence.startswith("Model: Qwen2.5-0.5B, Qwen2.5-1.5B") for sentence in accuracy_differences(measured))


def test_every_benchmark_of_the_tables_can_be_described():
    names = [name for part in COLUMNS[6].values() for name in room.leaves(part)]
    table = readable_benchmarks([*names, *SUITE_NAMES])
    frame = table.frame
    assert len(frame) == len(names) + 2 and frame["benchmark"].is_unique
    longest = max(frame["system prompt ends"], key=len)
    assert len(longest) > pd.get_option("display.max_colwidth")
    assert longest in repr(table) and escape(longest, quote=False) in table._repr_html_(), "no sentence is cut short"


def test_a_single_question_is_refused(monkeypatch):
    first = SUITES["tiny-held-out"].problems()[:1]
    monkeypatch.setitem(SUITES, "tiny-held-out", SimpleNamespace(problems=lambda: first))
    with pytest.raises(Refused, match="intervals need two questions of each benchmark or more"):
        measure_accuracies(5, ROWS[:1], Asked(["tiny-held-out"]))
