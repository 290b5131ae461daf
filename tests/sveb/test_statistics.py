import numpy as np
import pandas as pd
import pytest

from hista_repro.errors import Refused
from hista_repro.sveb import statistics
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.statistics import corrected_mse, corrected_variance, explained_variance, mae, oracle_floor, summarise

INTERVALS = ["mae", "mse", "explained_variance", "skill", "within_prompt_mse", "within_prompt_explained_variance", "within_prompt_skill"]


def simulated(rng, prompts=60, states=5, n=20, shape=()):
    """Prompt means, true values (..., prompts, states), and successes of n draws: p ~ Beta(2, 2), V ~ Beta(8p, 8(1 - p))."""
    prompt = rng.beta(2, 2, (*shape, prompts, 1))
    true = rng.beta(8 * prompt, 8 * (1 - prompt), (*shape, prompts, states))
    return prompt, true, rng.binomial(n, true)


def scores_of(estimates, successes, n, domain="math"):
    """The table that `sveb score` writes, from (prompts, states) arrays of estimates by name."""
    prompts, states = successes.shape
    names = [(f"{domain}-{p}-{s}", f"{domain}-{p}") for p in range(prompts) for s in range(states)]
    rows = pd.DataFrame(names, columns=["state_id", "problem_id"]).assign(domain=domain, reference=(successes / n).ravel(), n=n)
    frames = [
        rows.assign(estimator=name, information="siblings", estimate=np.broadcast_to(f, successes.shape).ravel())
        for name, f in estimates.items()
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    prompt, true, successes = simulated(rng)
    noisy = true + rng.normal(0, 0.1, true.shape)
    own = rng.random(true.shape) < true
    return scores_of({"loo-mean": prompt, "noisy": noisy, "noisier": noisy + rng.normal(0, 0.02, true.shape), "own": own}, successes, 20)


def test_formulas_by_hand():
    estimates, successes, n = [0.5, 0.2], [3, 0], [4, 5]
    # (0.5 - 0.75)^2 - 0.75 * 0.25 / 3 = 0; (0.2 - 0)^2 - 0 = 0.04.
    assert corrected_mse(estimates, successes, n) == pytest.approx(0.02)
    assert mae(estimates, [0.75, 0.0]) == pytest.approx(0.225)
    # 0.75^2 / 2 - (0.0625 + 0) / 2 = 0.25; 1 - 0.02 / 0.25 = 0.92.
    assert corrected_variance(successes, n) == pytest.approx(0.25)
    assert explained_variance(estimates, successes, n) == pytest.approx(0.92)
    assert np.isnan(explained_variance([0.4, 0.6], [2, 2], 4))


def test_corrections_are_unbiased():
    rng = np.random.default_rng(1)
    n = 8
    true = rng.beta(0.5, 0.5, 200)
    estimates = np.clip(true + rng.normal(0, 0.1, 200), 0, 1)
    draws = rng.binomial(n, true, (4000, 200))
    for measured, truth in (
        ([corrected_mse(estimates, s, n) for s in draws], np.mean((estimates - true) ** 2)),
        ([corrected_variance(s, n) for s in draws], true.var(ddof=1)),
    ):
        assert np.mean(measured) == pytest.approx(truth, abs=4 * np.std(measured) / np.sqrt(len(draws)))


def test_within_prompt_errors_are_unbiased():
    rng = np.random.default_rng(2)
    true = np.clip(rng.beta(2, 2, (30, 1)) + rng.normal(0, 0.2, (30, 4)), 0, 1)
    estimates = 0.3 + 0.5 * true + rng.normal(0, 0.05, true.shape)
    summaries = [summarise(scores_of({"loo-mean": estimates}, rng.binomial(10, true), 10), repeats=1).iloc[0] for _ in range(80)]
    truth = (estimates - true).var(axis=1, ddof=1).mean()
    measured = [summary.within_prompt_mse for summary in summaries]
    assert np.mean(measured) == pytest.approx(truth, abs=4 * np.std(measured) / np.sqrt(80))


def test_explained_variance_of_an_affine_estimate_within_and_between_prompts():
    rng = np.random.default_rng(3)
    prompt, true, successes = simulated(rng, prompts=2000, n=100)
    table = summarise(scores_of({"loo-mean": prompt, "true": true, "prompt": true.mean(axis=1, keepdims=True)}, successes, 100), repeats=1)
    table = table.set_index("estimator")
    assert table.explained_variance["true"] == pytest.approx(1, abs=0.01)
    assert table.within_prompt_explained_variance["true"] == pytest.approx(1, abs=0.02)
    assert table.within_prompt_explained_variance["prompt"] == pytest.approx(0, abs=1e-9), "constant in a prompt: a collapsed critic"
    assert table.explained_variance["prompt"] > 0.7


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize(
    "true",
    [
        lambda rng, size: rng.random(size),
        lambda rng, size: rng.beta(0.5, 0.5, size),
        lambda rng, size: rng.beta(0.15, 0.15, size),
        lambda rng, size: rng.beta(0.5, 8, size),
        lambda rng, size: np.where(rng.random(size) < 0.7, rng.integers(0, 2, size), rng.random(size)),
    ],
    ids=["uniform", "arcsine", "very U-shaped", "low", "mostly 0 or 1"],
)
def test_the_floor_is_the_error_of_the_truth(n, true):
    rng = np.random.default_rng(4)
    values = true(rng, 400_000)
    successes = rng.binomial(n, values)
    assert oracle_floor(successes, n) == pytest.approx(np.abs(successes / n - values).mean(), rel=0.02)


def test_the_floor_of_certain_states_is_zero():
    assert oracle_floor([0, 20, 0], 20) == 0
    assert oracle_floor([0, 2], [5, 2]) == 0


@pytest.mark.parametrize("prompts", [20, 100])
def test_95_percent_intervals_hold_the_truth_95_percent_of_the_time(prompts):
    rng = np.random.default_rng(prompts)
    states, n, group = 5, 20, 40
    # E[p(1 - p)] = 1/5, of which V leaves 8/9 as E[V(1 - V)], the error of the own return, and takes 1/9 as E[(V - p)^2].
    own_mse, loo_mse = 1 / 5 * 8 / 9, 1 / 5 * (1 / 9 + 1 / (group - 1))
    covered = {"loo": [], "own - loo": []}
    for _ in range(20):
        prompt, true, successes = simulated(rng, prompts, states, n, shape=(50,))
        reference = successes / n
        loo_mean, own_return = rng.binomial(group - 1, prompt) / (group - 1), rng.random(true.shape) < true
        loo = statistics.squared_errors(loo_mean - reference, reference, n).sum(axis=-1)
        own = statistics.squared_errors(own_return - reference, reference, n).sum(axis=-1)
        resamples = resampled_prompts(prompts, 1999, rng)
        for name, sums, truth in (("loo", loo, loo_mse), ("own - loo", own - loo, own_mse - loo_mse)):
            low, high = percentile_interval(sums @ resamples.T / (prompts * states), 0.95, prompts)
            covered[name].extend((low <= truth) & (truth <= high))
    for hits in covered.values():
        assert len(hits) == 1000
        assert 0.93 <= np.mean(hits) <= 0.97


def test_the_table_agrees_with_the_single_statistics(scores):
    table = summarise(scores, repeats=200).set_index("estimator")
    assert sorted(table.index) == ["loo-mean", "noisier", "noisy", "own"]
    for name, part in scores.groupby("estimator"):
        successes = (part.reference * part.n).round()
        row = table.loc[name]
        assert (row.n_prompts, row.n_states, row.domain, row.information) == (60, 300, "math", "siblings")
        assert row.mae == pytest.approx(mae(part.estimate, part.reference))
        assert row.mse == pytest.approx(corrected_mse(part.estimate, successes, part.n))
        assert row.explained_variance == pytest.approx(explained_variance(part.estimate, successes, part.n))
        assert row.floor == pytest.approx(oracle_floor(successes, part.n))
        assert row.mse_diff == pytest.approx(row.mse - table.mse["loo-mean"])
        assert row.skill == pytest.approx(1 - row.mse / table.mse["loo-mean"])
        assert all(row[f"{column}_low"] <= row[column] <= row[f"{column}_high"] for column in INTERVALS)


def test_the_baseline_differs_from_itself_by_nothing(scores):
    row = summarise(scores, repeats=200).set_index("estimator").loc["loo-mean"]
    for column in ("mae_diff", "mse_diff", "within_prompt_mse_diff", "skill", "within_prompt_skill"):
        assert row[column] == row[f"{column}_low"] == row[f"{column}_high"] == 0
    assert np.isnan(row.p_holm)


@pytest.mark.parametrize(("differing", "excludes"), [(0, False), (1, False), (3, False), (5, False), (7, True), (60, True)])
@pytest.mark.parametrize("error", ["mae", "mse"])
def test_a_difference_relies_on_the_prompts_in_which_there_is_one(differing, excludes, error):
    """In so few prompts of 60 that a sign test says nothing, a difference of one sign says nothing either."""
    rng = np.random.default_rng(3)
    *_, successes = simulated(rng)
    better = np.where(np.arange(60)[:, None] < differing, successes / 20, 1.0)
    table = summarise(scores_of({"loo-mean": np.ones((60, 1)), "better": better}, successes, 20)).set_index("estimator").loc["better"]
    assert (table[f"{error}_diff"] < 0) == (differing > 0)
    assert (table[f"{error}_diff_high"] < 0) == excludes
    assert (table["p_holm"] < 0.05) == excludes


def test_rounding_is_no_difference(scores):
    estimates = scores[scores["estimator"] == "noisy"]
    both = pd.concat([estimates.assign(estimator="loo-mean"), estimates.assign(estimate=estimates["estimate"] + 1e-7)])
    table = summarise(both).set_index("estimator").loc["noisy"]
    assert (table[["mae_diff", "mae_diff_low", "mae_diff_high", "mse_diff", "mse_diff_low", "mse_diff_high"]] == 0).all()
    assert table["p_holm"] == 1


def test_only_real_differences_are_called_significant(scores):
    p = summarise(scores, baseline="noisy").set_index("estimator").p_holm
    assert p["own"] < 0.01
    assert p["loo-mean"] < 0.01
    assert p["noisier"] > 0.01


def test_paired_intervals_are_narrower_than_unpaired_ones(scores):
    table = summarise(scores, baseline="noisy").set_index("estimator")
    paired = table.mae_diff_high["noisier"] - table.mae_diff_low["noisier"]
    widths = table.mae_high - table.mae_low
    assert paired < 0.5 * np.hypot(widths["noisy"], widths["noisier"])


def test_sixteen_times_the_prompts_give_a_quarter_of_the_width():
    prompt, _, successes = simulated(np.random.default_rng(6), prompts=100)
    few = summarise(scores_of({"loo-mean": prompt}, successes, 20)).iloc[0]
    many = summarise(scores_of({"loo-mean": np.tile(prompt, (16, 1))}, np.tile(successes, (16, 1)), 20)).iloc[0]
    assert few.mae == pytest.approx(many.mae)
    assert (few.mae_high - few.mae_low) / (many.mae_high - many.mae_low) == pytest.approx(4, rel=0.1)


def test_nothing_depends_on_the_order_of_rows(scores):
    pd.testing.assert_frame_equal(summarise(scores.sample(frac=1, random_state=0), repeats=100), summarise(scores, repeats=100))


def test_the_same_seed_gives_the_same_intervals_and_another_others(scores):
    first, again, other = (summarise(scores, repeats=100, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert (first.mae == other.mae).all()
    assert (first.mae_low != other.mae_low).any()


def test_constant_input_has_intervals_of_zero_width():
    table = summarise(scores_of({"loo-mean": 0.5, "other": 0.25}, np.full((10, 3), 15), 20), repeats=100).set_index("estimator")
    for name in ("mae", "mse", "mae_diff", "mse_diff", "within_prompt_mse"):
        assert table[f"{name}_low"].tolist() == pytest.approx(table[name].tolist(), abs=1e-15)
        assert table[f"{name}_high"].tolist() == pytest.approx(table[name].tolist(), abs=1e-15)
    assert table.mae["loo-mean"] == pytest.approx(0.25)
    assert table.explained_variance.isna().all(), "true values that do not vary"


def test_several_domains_have_rows_of_their_own_and_a_mean(scores):
    rng = np.random.default_rng(7)
    prompt, _, successes = simulated(rng, prompts=20)
    others = {name: prompt + shift for name, shift in (("loo-mean", 0.0), ("noisy", 0.1), ("noisier", 0.2), ("own", 0.3))}
    table = summarise(pd.concat([scores, scores_of(others, successes, 20, "number")]), repeats=300)
    assert table.domain.unique().tolist() == ["math", "number", "all"]
    by = table.set_index(["domain", "estimator"])
    for column in ("mae", "mse", "within_prompt_mse_diff", "explained_variance", "floor"):
        mean = (by[column]["math"] + by[column]["number"]) / 2
        assert by[column]["all"].tolist() == pytest.approx(mean.tolist())
    assert (by.n_prompts["all"] == 80).all()
    alone = summarise(scores, repeats=300).set_index("estimator")
    pd.testing.assert_frame_equal(by.loc["math"], alone.drop(columns="domain"))


def test_a_single_prompt_has_no_intervals():
    table = summarise(scores_of({"loo-mean": 0.5, "other": 0.4}, np.array([[3, 7, 9]]), 10), repeats=50).set_index("estimator")
    assert np.isfinite(table.mae).all()
    assert table[["mae_low", "mse_diff_high", "p_holm"]].isna().all(axis=None)


def test_single_states_per_prompt_have_nothing_within_prompts():
    table = summarise(scores_of({"loo-mean": 0.5}, np.array([[3], [7], [9]]), 10), repeats=50)
    assert table[["within_prompt_mse", "within_prompt_explained_variance"]].isna().all(axis=None)
    assert np.isfinite(table.explained_variance).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop(columns="reference"), "lack the column 'reference'"),
        (lambda s: s.iloc[:0], "hold no rows"),
        (
            lambda s: s.assign(estimate=s.estimate.mask(s.index == 5)),
            r"loo-mean has no finite estimate for state 'math-1-0' \(1 such rows\)",
        ),
        (lambda s: s.drop(index=5), "loo-mean has 0 estimates of state 'math-1-0'"),
        (lambda s: pd.concat([s, s.iloc[[5]]]), "loo-mean has 2 estimates of state 'math-1-0'"),
        (lambda s: s.assign(reference=s.reference.mask(s.index == 5, 0.123)), "state 'math-1-0' has two problems, domains or references"),
        (
            lambda s: s[s.estimator != "loo-mean"],
            "no scores of the baseline 'loo-mean'; score it too, or compare with one of noisier, noisy, own",
        ),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(scores, change, message):
    with pytest.raises(Refused, match=message):
        summarise(change(scores))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [1], 1), "n holds 1"),
        (([0.5], [3], 2), "successes holds 3 of 2"),
        (([0.5], [-1], 2), "successes holds -1 of 2"),
        (([], [], 2), "successes is empty"),
        (([float("nan")], [1], 2), "estimates holds nan"),
        (([0.5], [1, 2], 2), r"estimates has shape \(1,\) for references of shape \(2,\)"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        corrected_mse(*arguments)


def test_a_level_or_number_of_repeats_that_means_nothing_is_named(scores):
    with pytest.raises(ValueError, match=r"level between 0 and 1, not 0 and 0.95"):
        summarise(scores, repeats=0)
    with pytest.raises(ValueError, match="not 2000 and 95"):
        summarise(scores, level=95)
