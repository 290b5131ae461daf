import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from hista_repro.artifacts import training_arms
from hista_repro.artifacts.training_arms import (
    TRAINING,
    VALIDATION,
    Arm,
    accuracy_over_seeds,
    answer_errors,
    curves,
    judge_learning,
    judge_pair,
    judge_steadier,
    outcome_over_seeds,
    outcome_table,
    outcomes,
    over_seeds,
    paired,
    readable_outcomes,
    readable_pairs,
    setting_differences,
    train_arms,
)
from hista_repro.artifacts.training_figure import plot_curves, plot_overheads
from hista_repro.artifacts.verdicts import Interval, Word
from hista_repro.errors import Refused
from hista_repro.files import append_event, write_json

CONFIG = {
    **{"model": "tiny", "problems": "arithmetic-steps", "prompts": 4, "group_size": 8, "steps": 10},
    **{"validation_problems": 16, "max_tokens": 104, "temperature": 1.0},
}
MANY = {**CONFIG, "prompts": 10**9, "validation_problems": 10**9}
"""So many answers that their chance is nothing beside that of seeds."""
MANIFEST = {"config": {**CONFIG, "out": "a folder of this machine"}, "provenance": {"hardware": {"gpus": ["H200"]}}}


def arm(name, start, slope, noise=0.01, seeds=4, key=0, config=MANY):
    """Runs of ten updates whose accuracy rises by `slope` an update, validated at steps 0, 5 and 10."""
    rows = []
    for seed in range(seeds):
        draws = np.random.default_rng([key, seed])
        base = start + noise * np.random.default_rng(seed).normal()
        rows.append({"seed": seed, "step": 0, VALIDATION: base})
        for step in range(1, 11):
            value = base + slope * step
            held_out = {VALIDATION: value} if step % 5 == 0 else {}
            rows.append({"seed": seed, "step": step, TRAINING: value, "entropy": noise * draws.normal(), **held_out})
    return Arm(name, config, pd.DataFrame(rows))


def test_the_interval_is_student_s():
    first, second = np.array([0.3, 0.5, 0.4, 0.7]), np.array([0.2, 0.1, 0.4, 0.3])
    interval, expected = over_seeds(first - second), ttest_rel(first, second).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    with pytest.raises(ValueError, match="values: an interval needs two or more, not 1"):
        over_seeds([0.5])


def test_seeds_that_are_alike_by_luck_make_no_narrower_interval_than_their_answers():
    few = arm("a", 0.4, 0.01, noise=0, config=CONFIG)
    errors = answer_errors(few).loc[0]
    assert errors["after"] == pytest.approx(np.sqrt(0.5 * 0.5 / 16)) and errors["gain"] == pytest.approx(
        np.hypot(errors["after"], errors["before"])
    )
    assert errors["average"] == pytest.approx(np.sqrt(np.mean([a * (1 - a) for a in outcomes_by_update(few)]) / (32 * 10)))
    interval = outcome_over_seeds(few, "after")
    assert interval.high - interval.estimate == pytest.approx(1.96 * errors["after"] / np.sqrt(4), rel=1e-3)
    assert over_seeds([0.1, 0.5], [0.01, 0.01]) == over_seeds([0.1, 0.5]), "Student's is wider"
    difference = paired(few, arm("b", 0.3, 0.01, noise=0, config=CONFIG), "after")
    assert difference.estimate == pytest.approx(0.1) and difference.low < 0


def test_the_chance_of_answers_is_covered():
    """Seeds that differ in nothing but the answers that were drawn."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        rows = [
            {"seed": seed, "step": step, VALIDATION if step in (0, 10) else TRAINING: rng.binomial(32, 0.7) / 32}
            for seed in range(3)
            for step in range(11)
        ]
        found = outcome_over_seeds(Arm("a", CONFIG, pd.DataFrame(rows)), "average")
        held += found.low <= 0.7 <= found.high
    assert held / 400 > 0.95


def outcomes_by_update(one):
    return one.metrics.loc[one.metrics["seed"] == 0, TRAINING].dropna()


def test_intervals_of_accuracies_end_where_accuracies_do():
    assert accuracy_over_seeds([0.1, 0.9]) == Interval(0.5, 0.0, 1.0)
    assert accuracy_over_seeds([0.4, 0.5, 0.6]) == over_seeds([0.4, 0.5, 0.6])
    wide = [arm("a", 0.5, 0.01, noise=0.2)]
    assert curves(wide, VALIDATION)["high"].max() == 1.0 == outcome_table(wide).loc[0, "after_high"]


def test_outcomes_of_a_straight_line():
    found = outcomes(arm("a", 0.5, 0.01, noise=0)).loc[0]
    assert found.to_dict() == pytest.approx({"average": 0.555, "last": 0.595, "before": 0.5, "after": 0.6, "gain": 0.1})


def test_noise_of_a_seed_that_both_arms_share_cancels():
    difference = paired(arm("a", 0.5, 0.02, noise=0.1), arm("b", 0.5, 0.01, noise=0.1), "last")
    assert (difference.estimate, difference.low, difference.high) == pytest.approx((0.095, 0.095, 0.095), abs=1e-4)


def test_the_table_has_an_interval_for_each_number():
    table = outcome_table([arm("a", 0.5, 0.01), arm("b", 0.5, 0.0)])
    assert list(table["arm"]) == ["a", "b"] and list(table["seeds"]) == [4, 4]
    assert (table["gain_low"] <= table["gain"]).all() and (table["gain"] <= table["gain_high"]).all()


def test_tables_of_a_page_say_what_was_before_and_leave_out_pairs_that_were_not_trained():
    better, worse = arm("DAPO + Hista", 0.3, 0.02), arm("DAPO", 0.3, 0.01)
    shown = readable_outcomes([better, worse])
    assert f": {outcome_over_seeds(better, 'before').text()} before training" in shown.caption
    assert shown.frame["held out: after"][1] == outcome_over_seeds(worse, "after").text()
    pairs = readable_pairs([better, worse], [("DAPO + Hista", "DAPO"), ("DAPO, no baseline", "DAPO")]).frame
    assert pairs["arms"].tolist() == ["DAPO + Hista − DAPO"]
    assert pairs["last 20%"][0] == paired(better, worse, "last").text(signed=True)


def test_curves_are_averaged_over_stretches_first():
    table = curves([arm("a", 0.5, 0.01, noise=0)], TRAINING, points=5)
    assert table["step"].tolist() == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert table["mean"].tolist() == pytest.approx([0.515, 0.535, 0.555, 0.575, 0.595])
    held_out = curves([arm("a", 0.5, 0.01, noise=0)], VALIDATION)
    assert held_out["step"].tolist() == [0, 5, 10]
    assert curves([arm("a", 0.5, 0.01)], "not logged").empty


def test_verdicts_follow_the_paired_interval():
    arms = [arm("better", 0.5, 0.02), arm("base", 0.5, 0.01)]
    assert judge_pair(arms, "better", "base", "last", "it ends higher").word is Word.AGREES
    assert judge_pair(arms, "base", "better", "last", "it ends higher").word is Word.DISAGREES
    assert judge_pair(arms, "base", "base", "last", "it ends higher").word is Word.UNDECIDED
    assert judge_learning(arms[0]).word is Word.AGREES
    assert judge_learning(arm("falling", 0.5, -0.01)).word is Word.DISAGREES
    calm, wild = arm("calm", 0.5, 0, noise=0.01, key=1), arm("wild", 0.5, 0, noise=0.5, key=2)
    assert judge_steadier([calm, wild], "calm", "wild", "entropy", "it is calmer").word is Word.AGREES


def test_what_differs_from_the_paper_is_said():
    sentences = setting_differences([arm("a", 0.5, 0, config=CONFIG)], "Qwen3-1.7B", "DAPO-17K")
    assert "Model: Qwen3-1.7B in the paper, tiny here." in sentences
    assert "Completions of an update: 128 in the paper, 32 here." in sentences
    arms = [arm("a", 0.5, 0, config={**CONFIG, "model": model}) for model in ("tiny", "tiny", "larger")]
    assert "Model: Qwen3-1.7B in the paper, tiny and larger here." in setting_differences(arms, "Qwen3-1.7B", "DAPO-17K")


@pytest.mark.parametrize("seeds", [[0], [], [1, 1]])
def test_a_single_seed_is_refused(seeds):
    with pytest.raises(Refused, match="seeds must be two or more different numbers"):
        train_arms("tiny.yaml", {"DAPO": "none"}, seeds, {})


def test_each_arm_and_seed_is_a_run_of_the_file(monkeypatch, tmp_path):
    asked = []

    def record(settings):
        asked.append(settings)
        return tmp_path

    monkeypatch.setattr(training_arms, "record", record)
    monkeypatch.setattr(training_arms, "read_metrics", lambda folder: pd.DataFrame({"step": [0]}))
    monkeypatch.setattr(training_arms, "read_json", lambda path: MANIFEST)
    arms = train_arms("tiny.yaml", {"DAPO": "none", "with": "hista-loo"}, [3, 5], {"steps": 7})
    assert [(settings["estimator"], settings["seed"], settings["steps"]) for settings in asked] == [
        ("none", 3, 7),
        ("none", 5, 7),
        ("hista-loo", 3, 7),
        ("hista-loo", 5, 7),
    ]
    assert arms[0].gpus == ["H200"]
    assert all("out" not in settings for settings in [*asked, *(a.config for a in arms)])
    assert [(a.name, a.seeds) for a in arms] == [("DAPO", [3, 5]), ("with", [3, 5])]


def test_runs_that_were_trained_elsewhere_are_read_from_their_folders(tmp_path):
    for seed in (0, 1):
        write_json(tmp_path / f"dapo-{seed}" / "manifest.json", {**MANIFEST, "status": "done" if seed == 0 else "running"})
        append_event(tmp_path / f"dapo-{seed}" / "metrics.jsonl", {"event": "update", "step": 1, "time": 0.0, TRAINING: 0.5})
    arms = {"DAPO": f"{tmp_path}/dapo-{{seed}}"}
    with pytest.raises(Refused, match=r"dapo-1 holds no finished training run; make it with `hista-repro train CONFIG.yaml seed=1 out="):
        train_arms("tiny.yaml", arms, [0, 1], {})
    write_json(tmp_path / "dapo-1" / "manifest.json", {**MANIFEST, "status": "done"})
    (found,) = train_arms("tiny.yaml", arms, [0, 1], {})
    assert found.config == CONFIG and found.metrics[["seed", TRAINING]].to_numpy().tolist() == [[0, 0.5], [1, 0.5]]


def test_every_arm_has_a_line_of_its_own():
    arms = [arm("a", 0.5, 0.01), arm("b", 0.5, 0.0)]
    figure = plot_curves({"accuracy": curves(arms, TRAINING), "held out": curves(arms, VALIDATION)})
    assert [axis.get_ylabel() for axis in figure.axes] == ["accuracy", "held out"]
    looks = {
        (line.get_color(), str(line.get_dashes() if hasattr(line, "get_dashes") else line._dash_pattern)) for line in figure.axes[0].lines
    }
    assert len(looks) == 2
    with pytest.raises(ValueError, match="panels: 8 arms, and 7 can be told apart"):
        plot_curves({"accuracy": curves([arm(str(n), 0.5, 0) for n in range(8)], TRAINING)})


def test_overheads_stand_above_those_of_the_paper():
    figure = plot_overheads({"a": Interval(0.02, 0.01, 0.03)}, {"Qwen": 0.01}, "overhead (%)")
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "Paper: Qwen"]
    assert [line.get_xdata()[0] for line in axis.lines[1:3]] == pytest.approx([2.0, 1.0])
