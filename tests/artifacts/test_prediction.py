import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.prediction import (
    OUTCOMES,
    check_arms,
    judge_prediction,
    predict,
    rank_correlation,
    readable_prediction,
)
from hista_repro.artifacts.prediction_figure import plot_prediction
from hista_repro.artifacts.training_arms import TRAINING, VALIDATION, Arm
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.sveb.statistics import corrected_mse

CONFIG = {"model": "tiny", "problems": "arithmetic-steps", "preset": "dapo", "allow_biased": False}
ESTIMATORS = ("hista-loo", "numca-loo", "loo-mean", "group-mean")


def arm(estimator, accuracy, seeds=5, noise=0.01, **settings):
    """Runs that end at `accuracy`, give or take `noise`."""
    rows = []
    for seed in range(seeds):
        reached = accuracy + noise * np.random.default_rng([seed, len(estimator)]).normal()
        rows += [{"seed": seed, "step": 0, VALIDATION: 0.5}, {"seed": seed, "step": 1, TRAINING: reached, VALIDATION: reached}]
    configured = "none" if estimator == "group-mean" else estimator
    return Arm(estimator, {**CONFIG, "estimator": configured, **settings}, pd.DataFrame(rows))


def measurement(bias, problems=30, states=4, n=50):
    """Scores of estimators that are off by `bias`, name -> error."""
    rng = np.random.default_rng(0)
    rows = []
    for problem in range(problems):
        for state in range(states):
            value = rng.uniform(0.2, 0.8)
            reference = rng.binomial(n, value) / n
            common = {"state_id": f"{problem}-{state}", "problem_id": str(problem), "domain": "number", "reference": reference, "n": n}
            rows += [{**common, "estimator": name, "information": "siblings", "estimate": value + off} for name, off in bias.items()]
    return Measurement("tiny on arithmetic-steps", {"model": "tiny"}, "number", pd.DataFrame(rows))


ERRORS = dict(zip(ESTIMATORS, (0.1, 0.2, 0.3, 0.4), strict=True))
WELL = [arm(name, accuracy) for name, accuracy in zip(ESTIMATORS, (0.8, 0.7, 0.6, 0.5), strict=True)]


def test_errors_that_foretell_accuracy_agree():
    prediction = predict(measurement(ERRORS), WELL)
    for outcome in OUTCOMES:
        found = prediction.correlation(outcome)
        assert found.estimate == -1 and found.high < 0
        assert judge_prediction(prediction, outcome, "smaller errors, more accuracy").word is Word.AGREES


def test_errors_that_mislead_disagree():
    upside_down = [arm(name, accuracy) for name, accuracy in zip(ESTIMATORS, (0.5, 0.6, 0.7, 0.8), strict=True)]
    assert judge_prediction(predict(measurement(ERRORS), upside_down), "after", "claim").word is Word.DISAGREES


def test_arms_that_seeds_cannot_tell_apart_are_undecided():
    alike = [arm(name, 0.6, noise=0.1) for name in ("hista-loo", "numca-loo", "ramp", "group-mean")]
    prediction = predict(measurement({"hista-loo": 0.1, "numca-loo": 0.2, "ramp": 0.3, "group-mean": 0.4}), alike)
    assert judge_prediction(prediction, "average", "claim").word is Word.UNDECIDED


def test_the_error_is_the_corrected_one_of_all_states():
    found = measurement(ERRORS)
    table = predict(found, WELL).table().set_index("estimator")
    for name, scores in found.scores.groupby("estimator"):
        successes = np.rint(scores["reference"] * scores["n"])
        assert table.loc[name, "mse"] == pytest.approx(corrected_mse(scores["estimate"], successes, scores["n"]))
        assert table.loc[name, "mse_low"] < table.loc[name, "mse"] < table.loc[name, "mse_high"]
    assert list(table.index) == list(ESTIMATORS)


def test_the_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, size=(20, 6)).astype(float), rng.normal(size=(20, 6))
    expected = [spearmanr(*pair).statistic for pair in zip(first, second, strict=True)]
    assert rank_correlation(first, second) == pytest.approx(expected)
    assert rank_correlation(np.ones((1, 3)), np.arange(3.0)[None]) == [0]


def test_arms_must_be_comparable():
    with pytest.raises(Refused, match="needs three or more, not 2"):
        check_arms(WELL[:2])
    with pytest.raises(Refused, match="hista-loo and probe-loo differ in preset"):
        check_arms([*WELL, arm("probe-loo", 0.5, preset="cispo")])
    check_arms([*WELL, arm("hista", 0.5, allow_biased=True)])
    with pytest.raises(Refused, match="the benchmark is of tiny, and training starts from larger"):
        predict(measurement(ERRORS), [arm(name, 0.5, model="hub/larger") for name in ESTIMATORS])


def test_it_is_shown_from_the_smallest_error_on():
    prediction = predict(measurement(ERRORS), WELL[::-1])
    shown = repr(readable_prediction(prediction))
    assert shown.index("hista-loo") < shown.index("numca-loo") < shown.index("group-mean")
    figure = plot_prediction(prediction.table(), {"mse": "error", "after": "accuracy"})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ESTIMATORS)
