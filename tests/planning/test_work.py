from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.checkout import find_checkout
from hista_repro.errors import Refused
from hista_repro.planning.work import evaluations_of, runs_of
from hista_repro.runner.plan import make_task
from hista_repro.runner.profiles import load_profile

ARMS = {"config": "tiny.yaml", "arms": {"DAPO": "none", "DAPO + Hista": "hista"}, "seeds": [0, 1], "settings": {"steps": 2}}
ROWS = {
    **{"model": "", "benchmarks": ["tiny-held-out"], "settings": {"limit": 5}, "config": "tiny.yaml", "training": {"steps": 2, "seed": 1}},
    "rows": [{"row": "before training", "model": "tiny"}, {"row": "DAPO", "run": "none"}],
}


@dataclass(frozen=True)
class Asking:
    """A task of which nothing but the parameters is read."""

    parameters: dict[str, Any] = field(default_factory=dict)


def test_every_arm_is_trained_with_every_seed():
    runs = runs_of([Asking(ARMS)])
    assert [(run.config.estimator, run.config.seed) for run in runs] == [("none", 0), ("none", 1), ("hista", 0), ("hista", 1)]
    assert {(run.config.steps, run.config.out, run.command) for run in runs} == {(2, "", "")}


def test_every_arm_is_trained_at_every_rate():
    rates = [run.config.learning_rate for run in runs_of([Asking({**ARMS, "rates": [1e-3, 2e-3]})])]
    assert rates == [1e-3, 2e-3] * 4
    shared = runs_of([Asking(ARMS)])[0].config.learning_rate
    assert len(runs_of([Asking(ARMS), Asking({**ARMS, "rates": [shared, 2e-3]})])) == 8, (
        "those at the file's rate are the page's without rates"
    )


def test_the_arms_of_further_models_are_trained_too():
    asking = Asking({**ARMS, "further": [{"config": "figure_01.yaml", "arms": {"DAPO": "qwen2.5-1.5b-dapo-zero"}, "seeds": [7]}]})
    assert len(runs_of([asking])) == 5
    [further] = [run for run in runs_of([asking]) if run.config.seed == 7]
    assert (further.config.model, further.config.steps) == ("Qwen/Qwen2.5-1.5B", 2)


def test_a_run_is_counted_once_whoever_asks():
    assert len(runs_of([Asking(ARMS), Asking(ARMS)])) == 4
    assert len(runs_of([Asking(ARMS), Asking(ROWS)])) == 4, "the row is an arm's second seed"
    assert len(runs_of([Asking(ARMS), Asking({**ROWS, "training": {"steps": 2, "seed": 7}})])) == 5


def test_an_evaluation_is_counted_once_whoever_asks():
    assert [(one.config.model, one.run is None) for one in evaluations_of([Asking(ROWS)])] == [("tiny", True), ("tiny", False)]
    assert len(evaluations_of([Asking(ROWS), Asking(ROWS)])) == 2
    assert len(evaluations_of([Asking(ROWS), Asking({**ROWS, "settings": {}})])) == 4
    assert len(evaluations_of([Asking(ROWS), Asking({**ROWS, "training": {"seed": 2}})])) == 3


def test_a_model_of_ones_own_is_a_further_row():
    assert [one.config.model for one in evaluations_of([Asking({**ROWS, "model": "smollm2-135m"})])] == ["tiny", "tiny", "smollm2-135m"]


def test_what_is_read_from_folders_has_a_command_that_makes_it():
    arms = {"config": "figure_01.yaml", "arms": {"DAPO": "elsewhere/qwen2.5-1.5b-dapo-{seed}"}, "seeds": [3], "settings": {}}
    command = "hista-repro train tiny.yaml run=grpo steps=7 out=there"
    rows = {**ROWS, "rows": [{"row": "GRPO", "model": "there/model", "train": command}]}
    [arm, row] = runs_of([Asking(arms), Asking(rows)])
    assert arm.command == "hista-repro train figure_01.yaml run=qwen2.5-1.5b-dapo seed=3 out=elsewhere/qwen2.5-1.5b-dapo-3"
    assert (arm.config.model, arm.config.seed, arm.config.out) == ("Qwen/Qwen2.5-1.5B", 3, "elsewhere/qwen2.5-1.5b-dapo-3")
    assert (row.command, row.config.preset, row.config.steps) == (command, "grpo", 7)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({**ARMS, "arms": {"DAPO": "runs/mine-{seed}"}}, "holds no run 'mine'"),
        ({**ROWS, "rows": [{"row": "DAPO", "model": "there", "train": "make model"}]}, "no plan can be made for a row whose `train` is"),
    ],
)
def test_a_run_that_cannot_be_told_is_refused(parameters, message):
    with pytest.raises(Refused, match=message):
        runs_of([Asking(parameters)])


@pytest.mark.parametrize("profile", ["smoke", "night"])
def test_tables_ask_models_that_the_figures_train(profile):
    assert len(_runs(profile, "table-03", "table-05")) >= 4
    assert len(_runs(profile, "figure-01", "figure-03", "table-03", "table-05")) == len(_runs(profile, "figure-01", "figure-03"))


def test_the_papers_rows_are_trained_where_they_are_looked_for():
    tables = [f"table-{number:02d}" for number in (3, 5, 6, 7, 8)]
    rows = [row for table in tables for row in load_profile("paper").artifacts[table]["rows"] if "train" in row]
    trained = {run.command: run.config.out for run in _runs("paper", *tables)}
    assert {row["train"]: str(Path(row["model"]).parent) for row in rows} == trained


def _runs(profile: str, *ids: str):
    sizes = load_profile(profile)
    return runs_of([make_task(ARTIFACTS[name], sizes, {}, find_checkout(None)) for name in ids])
