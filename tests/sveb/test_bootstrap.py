import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t, ttest_1samp

from hista_repro.sveb.bootstrap import FEW, holm, percentile_interval, resampled_prompts, two_sided_p


def test_holm_by_hand():
    # Sorted: .01 x 4 = .04, .02 x 3 = .06, .03 x 2 = .06, .8 x 1 = .8.
    assert holm([0.03, 0.01, 0.8, 0.02]) == pytest.approx([0.06, 0.04, 0.8, 0.06])


def test_holm_is_monotone_at_most_one_and_leaves_nan_out():
    assert holm([0.04, np.nan, 0.03]) == pytest.approx([0.06, np.nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert np.isnan(holm([np.nan])).all()


def test_resamples_hold_as_many_prompts_and_each_as_often_on_average():
    counts = resampled_prompts(7, 4000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 7).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(7), abs=0.06)


def test_p_is_one_minus_the_level_of_the_widest_interval_without_zero():
    draws = np.random.default_rng(0).normal(2, 1, 5000)
    for prompts in (5, 40):
        p = float(two_sided_p(draws, prompts))
        assert percentile_interval(draws, 1 - 1.1 * p, prompts)[0] > 0
        assert percentile_interval(draws, 1 - 0.9 * p, prompts)[0] < 0


def test_p_of_no_difference_is_one_and_of_undefined_draws_undefined():
    assert two_sided_p(np.zeros(100), 10) == 1
    assert np.isnan(two_sided_p(np.array([1.0, np.nan]), 10))


def test_a_single_prompt_tells_no_spread():
    assert np.isnan(two_sided_p(np.ones(100), 1))
    assert np.isnan(percentile_interval(np.ones(100), 0.95, 1)).all()


def test_intervals_ignore_undefined_draws():
    low, high = percentile_interval(np.array([[0.0, np.nan, 1.0], [np.nan] * 3]), 0.5, 10**6)
    assert [low[0], high[0]] == pytest.approx([0.25, 0.75], abs=1e-5)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("prompts", range(2, FEW))
def test_intervals_of_few_prompts_hold_the_truth_as_often_as_they_say(prompts):
    rng = np.random.default_rng(prompts)
    samples = rng.normal(0, 1, (4000, prompts))
    low, high = percentile_interval(samples @ resampled_prompts(prompts, 1000, rng).T / prompts, 0.95, prompts)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("prompts", range(2, FEW))
def test_intervals_of_few_prompts_are_students(prompts):
    rng = np.random.default_rng(0)
    sample = rng.normal(3, 1, prompts)
    draws = resampled_prompts(prompts, 100_000, rng) @ sample / prompts
    spread = sample.std(ddof=1) / np.sqrt(prompts)
    expected = t.interval(0.9, prompts - 1, sample.mean(), spread)
    assert percentile_interval(draws, 0.9, prompts) == pytest.approx(expected, abs=0.05 * spread)
    assert two_sided_p(draws - 2, prompts) == pytest.approx(ttest_1samp(sample, 2).pvalue, rel=0.03)


@pytest.mark.parametrize("prompts", range(2, FEW))
def test_p_of_few_prompts_agrees_with_the_interval(prompts):
    rng = np.random.default_rng(prompts)
    draws = rng.normal(1, 1, (500, prompts)) @ resampled_prompts(prompts, 500, rng).T / prompts
    for level in (0.5, 0.95):
        low, high = percentile_interval(draws, level, prompts)
        excludes_zero = (low > 0) | (high < 0)
        assert excludes_zero.any() and not excludes_zero.all()
        assert (excludes_zero == (two_sided_p(draws, prompts) < 1 - level)).all()


def test_few_prompts_without_spread():
    draws = np.array([np.zeros(9), np.ones(9), [*np.ones(8), np.nan]])
    assert two_sided_p(draws, 3) == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert np.stack(percentile_interval(draws, 0.95, 3)).tolist() == [[0, 1, 1]] * 2


def test_intervals_of_enough_prompts_are_quantiles_of_the_draws():
    draws = np.random.default_rng(0).gamma(2, 1, 500)
    tail = norm.cdf(t.ppf((1 - 0.95) / 2, FEW - 1) * np.sqrt(FEW / (FEW - 1)))
    assert list(percentile_interval(draws, 0.95, FEW)) == list(np.nanquantile(draws, [tail, 1 - tail]))


def test_p_from_enough_prompts_is_limited_by_the_draws():
    limit = 2 * t.cdf(norm.ppf(1 / 2001) * np.sqrt(19 / 20), 19)
    assert two_sided_p(np.full(2000, 5.0), 20) == pytest.approx(limit)
    assert round(limit, 4) == 0.0046


def test_means_have_the_width_of_a_t_interval():
    rng = np.random.default_rng(0)
    sample = rng.normal(0, 1, 12)
    sample = (sample - sample.mean()) / sample.std(ddof=1)
    low, high = percentile_interval(resampled_prompts(12, 40_000, rng) @ sample / 12, 0.9, 12)
    assert [low, high] == pytest.approx(t.interval(0.9, 11, scale=1 / np.sqrt(12)), rel=0.05)


def test_agrees_with_scipy_on_sums_per_prompt():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 80)
    sums = sizes * rng.gamma(2, 0.1, 80)
    ours = percentile_interval((counts := resampled_prompts(80, 20_000, rng)) @ sums / (counts @ sizes), 0.95, 80)
    theirs = bootstrap(
        (sums, sizes),
        lambda s, k, axis: s.sum(axis=axis) / k.sum(axis=axis),
        paired=True,
        method="percentile",
        confidence_level=1 - 2 * norm.cdf(t.ppf(0.025, 79) * np.sqrt(80 / 79)),
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)
