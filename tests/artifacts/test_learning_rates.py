import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts import training_arms
from hista_repro.artifacts.learning_rates import (
    judge_at_own_rates,
    judge_range,
    own_rates,
    paired_at_own_rates,
    rate_table,
    rate_text,
    readable_rate_pairs,
    readable_rates,
    size_text,
    train_at_rates,
)
from hista_repro.artifacts.learning_rates_figure import plot_rates
from hista_repro.artifacts.training_arms import TRAINING, VALIDATION, Arm, over_seeds
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused

CONFIG = {
    **{"model": "tiny", "problems": "arithmetic-steps", "prompts": 4, "group_size": 8, "steps": 2},
    **{"validation_problems": 16, "max_tokens": 104, "temperature": 1.0},
}


def arm(name, accuracies):
    """One accuracy for all of a run, for each seed."""
    rows = []
    for seed, accuracy in enumerate(accuracies):
        rows += [{"seed": seed, "step": 0, VALIDATION: 0.1}, {"seed": seed, "step": 1, TRAINING: accuracy}]
        rows += [{"seed": seed, "step": 2, TRAINING: accuracy, VALIDATION: accuracy}]
    return Arm(name, CONFIG, pd.DataFrame(rows))


@pytest.fixture
def trained():
    """`a` is best at 0.0002; `b` is best at 0.0004 but for seed 2, by which alone it would be 0.0002."""
    return {
        0.0001: [arm("a", [0.3, 0.31, 0.32]), arm("b", [0.2, 0.2, 0.2])],
        0.0002: [arm("a", [0.5, 0.51, 0.52]), arm("b", [0.5, 0.5, 0.9])],
        0.0004: [arm("a", [0.4, 0.41, 0.42]), arm("b", [0.6, 0.6, 0.6])],
    }


def test_a_seed_has_no_say_in_the_rate_that_it_is_judged_at(trained):
    assert own_rates(trained, "a", "average").tolist() == [0.0002, 0.0002, 0.0002]
    assert own_rates(trained, "b", "average").tolist() == [0.0002, 0.0002, 0.0004]
    expected = over_seeds(np.array([0.5, 0.5, 0.6]) - np.array([0.5, 0.51, 0.52]))
    assert paired_at_own_rates(trained, "b", "a", "average") == expected


@pytest.mark.parametrize("moved", range(3))
def test_what_a_seed_shows_does_not_move_its_own_rate(trained, moved):
    """Whatever its accuracies are, as long as those of the others stay."""
    generator = np.random.default_rng(moved)
    changed = {}
    for rate, arms in trained.items():
        metrics = arms[1].metrics.copy()
        metrics.loc[metrics["seed"] == moved, TRAINING] = generator.random()
        changed[rate] = [arms[0], Arm("b", CONFIG, metrics)]
    assert own_rates(changed, "b", "average")[moved] == own_rates(trained, "b", "average")[moved]


def test_choosing_by_the_seeds_that_are_judged_would_look_better_than_it_is():
    """Four rates that are all alike: the best mean over the seeds lies above the truth, each seed at the rate of the others does not."""
    gains, chosen_by_all = [], []
    rates = (1e-4, 2e-4, 4e-4, 8e-4)
    for draw in range(300):
        accuracies = 0.5 + 0.02 * np.random.default_rng(draw).normal(size=(4, 3))
        arms = {rate: [arm("a", [0.5, 0.5, 0.5]), arm("b", values)] for rate, values in zip(rates, accuracies, strict=True)}
        gains.append(paired_at_own_rates(arms, "b", "a", "average").estimate)
        chosen_by_all.append(accuracies.mean(axis=1).max() - 0.5)
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < 3 * error
    assert np.mean(chosen_by_all) > 10 * error


def test_a_finding_names_the_rates_at_which_arms_are_compared(trained):
    finding = judge_at_own_rates(trained, "a", "b", "average", "a is better")
    assert finding.word is Word.UNDECIDED and finding.setting == "tiny on arithmetic-steps"
    assert finding.ours.endswith("(a at 0.0002; b at 0.0002 or 0.0004)")
    worse = {rate: [arms[0], arm("b", [0.1, 0.11, 0.1])] for rate, arms in trained.items()}
    assert judge_at_own_rates(worse, "a", "b", "average", "a is better").word is Word.AGREES
    assert judge_at_own_rates(worse, "b", "a", "average", "b is better").word is Word.DISAGREES


def test_the_best_rate_lies_between_those_tried_or_does_not(trained):
    assert judge_range(trained, "a", "average").word is Word.AGREES
    assert judge_range(trained, "b", "average").word is Word.UNDECIDED
    rising = {rate: [arm("a", np.array([0.3, 0.31, 0.3]) + 1000 * rate)] for rate in trained}
    assert judge_range(rising, "a", "average").word is Word.DISAGREES
    two = {rate: trained[rate] for rate in list(trained)[:2]}
    assert judge_range(two, "a", "average").word is Word.NOT_COMPARABLE


def test_tables_keep_the_rates_of_an_arm_together(trained):
    table = rate_table(trained)
    assert table[["arm", "learning_rate"]].to_numpy().tolist() == [[name, rate] for name in "ab" for rate in trained]
    assert table.loc[1, "average"] == pytest.approx(0.51)
    shown = readable_rates(trained).frame
    assert shown.columns[:2].tolist() == ["arm", "learning rate"]
    assert shown["learning rate"].tolist() == ["0.0001", "0.0002", "0.0004"] * 2
    pairs = readable_rate_pairs(trained, [("b", "a")])
    assert pairs.caption.startswith("b − a. ") and pairs.frame.columns[0] == "learning rate"
    assert pairs.frame["trained on: all updates"].iloc[2].startswith("+0.190")
    assert readable_rate_pairs(trained, [("b", "a"), ("a", "b")]).frame["arms"].tolist() == ["b − a"] * 3 + ["a − b"] * 3
    assert size_text(trained).endswith("16 problems held out; learning rates 0.0001, 0.0002 and 0.0004")


@pytest.mark.parametrize(("rate", "text"), [(2e-4, "0.0002"), (1e-6, "0.000001"), (0.5, "0.5"), (1.0, "1")])
def test_rates_are_written_in_full(rate, text):
    assert rate_text(rate) == text


def test_runs_are_made_at_each_rate(monkeypatch):
    given = []
    monkeypatch.setattr(training_arms, "record", lambda settings: given.append(settings) or settings)
    monkeypatch.setattr(training_arms, "_arm", lambda name, folders: Arm(name, {}, pd.DataFrame()))
    arms = train_at_rates("tiny.yaml", {"A": "loo-mean", "B": "zero"}, [4e-4, 1e-4], [0, 1, 2], {"steps": 2})
    assert list(arms) == [1e-4, 4e-4] and [arm.name for arm in arms[4e-4]] == ["A", "B"]
    made = [(settings["learning_rate"], settings["estimator"], settings["seed"], settings["steps"]) for settings in given]
    assert made == [(rate, name, seed, 2) for rate in (1e-4, 4e-4) for name in ("loo-mean", "zero") for seed in range(3)]


@pytest.mark.parametrize(
    ("rates", "seeds", "message"),
    [
        ([1e-4, 1e-4], [0, 1, 2], r"rates must be two or more different numbers, not \[0.0001, 0.0001\]"),
        ([1e-4], [0, 1, 2], "rates must be two or more different numbers"),
        ([1e-4, 2e-4], [0, 1], "seeds must be three or more"),
        ([1e-4, 2e-4], [0, 1, 1], "seeds must be two or more different numbers"),
    ],
)
def test_what_cannot_be_compared_is_refused(rates, seeds, message):
    with pytest.raises(Refused, match=message):
        train_at_rates("tiny.yaml", {"A": "zero"}, rates, seeds, {})


def test_the_figure_has_a_line_and_intervals_for_each_arm(trained):
    figure = plot_rates(rate_table(trained), {"average": "accuracy", "after": "held out"})
    assert len(figure.axes) == 2 and [line.get_label() for line in figure.axes[0].lines] == ["a", "b"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.0001", "0.0002", "0.0004"]
    with pytest.raises(ValueError, match="table: 5 arms, and 4 can be told apart"):
        plot_rates(pd.concat([rate_table(trained).assign(arm=str(n)) for n in range(5)]), {"average": "accuracy"})
