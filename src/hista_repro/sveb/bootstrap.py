"""The paired bootstrap over prompts.

The states of a prompt are correlated, so prompts are what is resampled: with all their states, and the same prompts for every estimator.
Every statistic of SVEB is a function of sums over prompts, so one matrix product gives all its bootstrap draws.
Conventions of Miller (2024, arXiv 2411.00640: cluster by question, pair the differences) and of rliable (Agarwal et al., 2021).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

Array = NDArray[np.float64]


def resampled_prompts(prompts: int, repeats: int, rng: np.random.Generator) -> Array:
    """(R, P) how often each prompt is drawn in each of `repeats` resamples of `prompts` prompts."""
    return rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=repeats).astype(np.float64)


def percentile_interval(draws: Array, level: float, prompts: int) -> tuple[Array, Array]:
    """The central interval of the draws (last axis) that holds the truth with probability `level`; NaN for a single prompt.

    The expanded percentile interval (Hesterberg, 2015): between the quantiles that match the width of a t-interval, since plain
    percentiles from P prompts are too narrow (89% instead of 95% at P = 10 in simulations). Draws that are NaN are left out.
    """
    bounds = np.full((2, *draws.shape[:-1]), np.nan)
    defined = ~np.isnan(draws).all(axis=-1)
    if prompts > 1 and defined.any():
        tail = norm.cdf(t.ppf((1 - level) / 2, prompts - 1) * np.sqrt(prompts / (prompts - 1)))
        bounds[:, defined] = np.nanquantile(draws[defined], [tail, 1 - tail], axis=-1)
    return bounds[0], bounds[1]


def two_sided_p(draws: Array, prompts: int) -> Array:
    """The p-value of "the statistic is 0" from its draws (last axis): 1 minus the level of the widest interval that excludes 0.

    R draws tell tails of 1 / (R + 1) and more; NaN where a draw is, and for a single prompt.
    """
    if prompts < 2:
        return np.full(draws.shape[:-1], np.nan)
    fewer = np.minimum((draws <= 0).sum(axis=-1), (draws >= 0).sum(axis=-1))
    tail = t.cdf(norm.ppf((fewer + 1) / (draws.shape[-1] + 1)) * np.sqrt((prompts - 1) / prompts), prompts - 1)
    return np.where(np.isnan(draws).any(axis=-1), np.nan, np.minimum(1, 2 * tail))


def holm(p: ArrayLike) -> Array:
    """p-values adjusted for the number of comparisons (Holm, 1979); NaN is no comparison and stays."""
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: (~np.isnan(p)).sum()]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted
