from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from hista_repro.artifacts import prediction as module
from hista_repro.artifacts.gradients import Gradients
from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.prediction import (
    OUTCOMES,
    check_arms,
    check_build,
    estimator_of,
    judge_prediction,
    measure_arms,
    measure_gradients_of,
    p_text,
    predict,
    rank_correlation,
    readable_correlations,
    readable_prediction,
    shown_numbers,
    trained_estimator,
)
from hista_repro.artifacts.prediction_figure import plot_prediction
from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.artifacts.training_arms import TRAINING, VALIDATION, Arm, outcome_over_seeds
from hista_repro.artifacts.verdicts import Word
from hista_repro.checkout import find_checkout
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.planning.work import runs_of
from hista_repro.profiles import PROFILES
from hista_repro.runner.plan import builds_of, make_task
from hista_repro.runner.profiles import load_profile
from hista_repro.sveb import BuildConfig
from hista_repro.sveb.statistics import corrected_mse
from hista_repro.training import run
from hista_repro.training.config import TrainConfig

ROLLOUTS = {"model": "tiny", "group_size": 8, "max_tokens": 104, "temperature": 1.0}
CONFIG = TrainConfig.from_dict({**ROLLOUTS, "problems": "arithmetic-steps", "out": "", "validation_problems": 512}).to_dict()
BUILD = {**ROLLOUTS, "problems": "arithmetic-steps"}
ESTIMATORS = ("hista-loo", "numca-loo", "prefix-tree-loo", "loo-mean", "group-mean")


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
    return Measurement("tiny on arithmetic-steps", BUILD, "number", pd.DataFrame(rows))


def gradients(noise, problems=30, size=8):
    """Gradients of one direction, with `noise`, name -> noise."""
    rng, rows = np.random.default_rng(1), []
    for problem in range(problems):
        scale = rng.uniform(0.8, 1.2)
        rows += [{"problem_id": str(problem), "estimator": name, "noise": value * scale} for name, value in noise.items()]
    table = pd.DataFrame(rows).assign(shared=1.0, signal=1.0, along=1.0, error=0.1, states=5)
    return Gradients("tiny on arithmetic-steps", {"group_size": 40}, size, table)


ERRORS = dict(zip(ESTIMATORS, (0.1, 0.2, 0.25, 0.3, 0.4), strict=True))
NOISE = dict(zip(ESTIMATORS, (4.0, 3.0, 2.5, 2.0, 1.0), strict=True))
"""The other way round: what errs least has the noisiest gradient."""
GRADIENTS = gradients(NOISE)
WELL = [arm(name, accuracy) for name, accuracy in zip(ESTIMATORS, (0.8, 0.7, 0.65, 0.6, 0.5), strict=True)]


def test_errors_that_foretell_accuracy_agree_and_noise_that_does_not_disagrees():
    prediction = predict(measurement(ERRORS), GRADIENTS, WELL)
    for outcome in OUTCOMES:
        found = prediction.correlation("mse", outcome)
        assert found.estimate == -1 and found.high < 0
        assert prediction.correlation("needed", outcome).estimate == 1
    assert [(finding.claim, finding.paper, finding.word) for finding in judge_prediction(prediction)] == [
        ("smaller errors go with more accuracy while training", "taken for granted", Word.AGREES),
        ("smaller errors go with more accuracy on held-out problems", "taken for granted", Word.AGREES),
        ("gradients that need fewer rollouts go with more accuracy while training", "no claim", Word.DISAGREES),
        ("gradients that need fewer rollouts go with more accuracy on held-out problems", "no claim", Word.DISAGREES),
    ]


def test_rollouts_needed_are_relative_to_the_mean_of_the_others_and_rounding_makes_no_rank():
    nearly = {**NOISE, "group-mean": 2.0 * (1 + 1e-7)}
    before = predict(measurement(ERRORS), gradients(nearly), WELL).predictors["needed"]
    assert before.values.tolist() == [2.0, 1.5, 1.25, 1.0, 1.0]
    assert (before.draws[:, 3] == before.draws[:, 4]).all() and before.problems == 30


def test_an_arm_without_gradients_is_ranked_by_its_error_alone():
    arms = [*WELL, arm("probe-loo", 0.4)]
    prediction = predict(measurement({**ERRORS, "probe-loo": 0.5}), GRADIENTS, arms)
    assert prediction.ranked("needed").tolist() == [True] * 5 + [False] and prediction.ranked("mse").all()
    assert prediction.correlation("mse", "after").estimate == -1 and prediction.correlation("needed", "after").estimate == 1
    assert judge_prediction(prediction)[3].ours.startswith("rank correlation over 5 arms: +1.000 [")
    shown = shown_numbers(prediction)
    assert (shown["arms"], shown["ranked"], shown["seeds"]) == ("6", "5", "5")
    assert (shown["best"], shown["best_needed"]) == ("hista-loo", "5")
    unknown = [*WELL[1:], arm("probe-loo", 0.9)]
    shown = shown_numbers(predict(measurement({**ERRORS, "probe-loo": 0.35}), GRADIENTS, unknown))
    assert (shown["best"], shown["best_needed"]) == ("probe-loo", "–")
    assert readable_prediction(prediction).frame.set_index("arm").loc["probe-loo", "rollouts needed"] == "–"
    plot_prediction(prediction.table(), {"mse": "error", "needed": "noise", "after": "accuracy"})


def test_errors_that_mislead_disagree():
    upside_down = [arm(name, accuracy) for name, accuracy in zip(ESTIMATORS, (0.5, 0.6, 0.65, 0.7, 0.8), strict=True)]
    assert judge_prediction(predict(measurement(ERRORS), GRADIENTS, upside_down))[1].word is Word.DISAGREES


def test_arms_that_seeds_cannot_tell_apart_are_undecided():
    alike = [arm(name, 0.6, noise=0.1) for name in ("hista-loo", "numca-loo", "ramp", "group-mean")]
    prediction = predict(measurement({"hista-loo": 0.1, "numca-loo": 0.2, "ramp": 0.3, "group-mean": 0.4}), GRADIENTS, alike)
    assert judge_prediction(prediction)[0].word is Word.UNDECIDED


def test_arms_too_few_to_show_anything_are_undecided_however_clear_each_of_them_is():
    """Of four arms one order in twelve is as good, either way round."""
    prediction = predict(measurement(ERRORS), GRADIENTS, WELL[:4])
    assert prediction.correlation("mse", "average").high < 0
    assert prediction.p_over_arms("mse", "average") == pytest.approx(2 / 24)
    assert judge_prediction(prediction)[0].word is Word.UNDECIDED


def test_the_permutation_test_has_its_level():
    rng, found = np.random.default_rng(0), []
    prediction = predict(measurement(ERRORS), GRADIENTS, WELL)
    for _ in range(200):
        found.append(replace(prediction, accuracies={"average": rng.random(5)}).p_over_arms("mse", "average"))
    for level in (2 / 120, 0.1, 0.3):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 200)
    assert min(found) == pytest.approx(2 / 120), "all orders of five arms"


@pytest.mark.parametrize(("p", "text"), [(0.5555, "p = 0.555"), (0.001, "p = 0.001"), (2e-4, "p < 0.001")])
def test_small_p_values_are_bounded(p, text):
    assert p_text(p) == text


def test_errors_rank_estimates_of_values_alone_and_sets_apart():
    arms = [*WELL, arm("zero", 0.9)]
    prediction = predict(measurement({**ERRORS, "zero": 0.5}), gradients({**NOISE, "zero": 0.5}), arms)
    assert prediction.ranked("mse").tolist() == [True] * 5 + [False] and prediction.ranked("needed").all()
    assert prediction.correlation("mse", "average").estimate == -1, "zero has the largest error and the most accuracy"
    shown = shown_numbers(prediction)
    assert (shown["best"], shown["best_needed"], shown["valued"]) == ("zero", "1", "5")
    table = readable_correlations(prediction).frame
    assert table[["of", "arms"]].drop_duplicates().to_numpy().tolist() == [
        ["corrected MSE", "5, all"],
        ["corrected MSE", "4, siblings"],
        ["rollouts needed", "6, all"],
        ["rollouts needed", "4, siblings"],
    ]


def test_the_error_is_the_corrected_one_of_all_states():
    found = measurement(ERRORS)
    table = predict(found, GRADIENTS, WELL).table().set_index("estimator")
    for name, scores in found.scores.groupby("estimator"):
        successes = np.rint(scores["reference"] * scores["n"])
        assert table.loc[name, "mse"] == pytest.approx(corrected_mse(scores["estimate"], successes, scores["n"]))
        assert table.loc[name, "mse_low"] < table.loc[name, "mse"] < table.loc[name, "mse_high"]
    assert list(table.index) == list(ESTIMATORS)


@pytest.mark.parametrize("seeds", [2, 5, 7])
def test_accuracies_are_those_of_other_pages(seeds):
    arms = [arm(name, accuracy, seeds) for name, accuracy in zip(ESTIMATORS, (0.99, 0.7, 0.65, 0.6, 0.5), strict=True)]
    table = predict(measurement(ERRORS), GRADIENTS, arms).table().set_index("arm")
    for one in arms:
        expected = outcome_over_seeds(one, "after")
        assert list(table.loc[one.name, ["after", "after_low", "after_high"]]) == [expected.estimate, expected.low, expected.high]


def test_few_seeds_widen_the_interval_of_the_correlation_which_ends_where_correlations_do():
    found = {}
    for seeds in (2, 3, 5):
        arms = [arm(name, accuracy, seeds, noise=0.1) for name, accuracy in zip(ESTIMATORS, (0.65, 0.65, 0.65, 0.6, 0.6), strict=True)]
        found[seeds] = predict(measurement(ERRORS), GRADIENTS, arms).correlation("mse", "after")
        assert -1 <= found[seeds].low <= found[seeds].high <= 1
    assert (found[2].low, found[2].high) == (-1, 1), "two seeds tell nothing"


@pytest.mark.parametrize("name", ["hista", "hista-loo", "numca-loo", "loo-mean", "probe-loo", "mcs-1"])
def test_estimators_are_those_that_the_arms_train_with(name):
    one = arm(name, 0.5)
    assert repr(trained_estimator(one)) == repr(run._estimator(estimator_of(one), TrainConfig.from_dict(one.config)))
    assert repr(trained_estimator(arm("group-mean", 0.5))) == repr(get_estimator("group-mean"))


def test_settings_and_spacing_of_the_arms_reach_the_estimators():
    one = arm("hista-loo", 0.5, max_tokens=400, estimator_settings={"neighbours": 3})
    assert trained_estimator(one) == replace(get_estimator("hista-loo").for_length(400), neighbours=3) != get_estimator("hista-loo")
    assert trained_estimator(arm("group-mean", 0.5, estimator_settings={"neighbours": 3})) == get_estimator("group-mean")


@pytest.fixture
def scoring(monkeypatch):
    """What was asked of the benchmark: the estimators by label, and whether they were to be adapted."""
    asked = {}
    monkeypatch.setattr(module, "measure", lambda builds, names: [measurement(dict.fromkeys(names, 0.0))] * asked.get("domains", 1))
    monkeypatch.setattr(module, "record", lambda build: "folder")
    monkeypatch.setattr(module, "Benchmark", lambda folder: folder)

    def kept_scores(benchmark, estimators, *, adapt):
        asked.update(benchmark=benchmark, estimators=estimators, adapt=adapt)
        return measurement(dict.fromkeys(estimators, 0.1)).scores

    monkeypatch.setattr(module, "kept_scores", kept_scores)
    return asked


def test_arms_are_scored_with_their_own_estimators_as_they_are(scoring):
    found = measure_arms(BUILD, WELL)
    assert scoring["adapt"] is False
    assert {label: repr(one) for label, one in scoring["estimators"].items()} == {one.name: repr(trained_estimator(one)) for one in WELL}
    assert set(found.scores["estimator"]) == set(ESTIMATORS) and found.config == BUILD
    predict(found, GRADIENTS, WELL)


def test_a_build_with_other_rollouts_than_the_arms_is_refused(scoring):
    for name, value in (("group_size", 40), ("max_tokens", 128), ("temperature", 0.7)):
        message = f"^build: its {name} is {value}, and that of the arms is {ROLLOUTS[name]}; they must be the same$"
        with pytest.raises(Refused, match=message):
            measure_arms({**BUILD, name: value}, WELL)
        with pytest.raises(Refused, match=message):
            predict(replace(measurement(ERRORS), config={**BUILD, name: value}), GRADIENTS, WELL)
    assert not scoring, "it is refused before anything is scored"


def test_a_build_of_several_domains_is_refused(scoring):
    scoring["domains"] = 2
    with pytest.raises(Refused, match="its problems are of 2 domains; choose one with its setting domain"):
        measure_arms(BUILD, WELL)


def test_gradients_are_those_of_the_arms_in_groups_of_their_size(small_build):
    settings = {"model": small_build["model"], "group_size": 2, "max_tokens": small_build["max_tokens"]}
    arms = [arm(name, 0.5, **settings) for name in ("zero", "hista-loo", "loo-share", "group-mean", "mcs-1")]
    build = {**small_build, "group_size": 2, "temperature": 1.0}
    found = measure_gradients_of(build, {"group_size": small_build["group_size"]}, arms)
    assert found.size == 2 and set(found.table["estimator"]) == {"loo-mean", "zero", "hista-loo", "loo-share", "group-mean"}
    wide = found.table.pivot(index="problem_id", columns="estimator")
    shares = wide["shared", "loo-share"].to_numpy()  # a share of loo-mean's values, fitted on other problems
    assert np.isfinite(shares).all() and not np.allclose(shares, wide["shared", "loo-mean"])
    for column, share in (("noise", 0.25), ("along", 0.5)):  # of two, the mean takes half of the other's reward
        assert wide[column, "group-mean"].to_numpy() == pytest.approx(share * wide[column, "loo-mean"].to_numpy(), rel=1e-4, abs=1e-6)
    with pytest.raises(Refused, match="its max_tokens is 3"):
        measure_gradients_of(build, {"group_size": 8, "max_tokens": 3}, arms)
    with pytest.raises(Refused, match="two groups or more are needed"):
        measure_gradients_of(build, {"group_size": 3}, arms)


@pytest.mark.parametrize("name", [name for name in PROFILES if "extra-prediction" in load_profile(name).artifacts])
def test_builds_of_profiles_have_the_rollouts_of_their_arms(name):
    task = make_task(ARTIFACTS["extra-prediction"], load_profile(name), {}, find_checkout(None))
    build = task.parameters["build"]
    assert {**build, **task.parameters["redesign"]} in builds_of([task])
    arms = [Arm(one.config.estimator, one.config.to_dict(), pd.DataFrame()) for one in runs_of([task])]
    check_arms(arms)
    check_build(BuildConfig.from_dict(build).to_dict(), arms[0])


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
        predict(measurement(ERRORS), GRADIENTS, [arm(name, 0.5, model="hub/larger") for name in ESTIMATORS])


def test_it_is_shown_from_the_smallest_error_on():
    prediction = predict(measurement(ERRORS), GRADIENTS, WELL[::-1])
    shown = repr(readable_prediction(prediction))
    assert shown.index("hista-loo") < shown.index("numca-loo") < shown.index("group-mean")
    figure = plot_prediction(prediction.table(), {"mse": "error", "after": "accuracy"})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ESTIMATORS)
