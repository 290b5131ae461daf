import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t

from hista_repro.sveb.bootstrap import holm, percentile_interval, resampled_prompts, two_sided_p


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
