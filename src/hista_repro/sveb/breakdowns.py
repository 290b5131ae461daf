"""Where estimates go wrong: error by position, and calibration, as tidy frames for figures.

A binned frame has a row per domain, estimator and bin: domain, estimator, bin (its middle), n_states, and means over the states of the bin
with the percentile interval of the bootstrap over prompts (`_low`, `_high`). Empty bins have no row. Estimates can be binned by themselves,
but not by the reference: that is noisy, and states of the outer bins are partly there by luck.
"""

import numpy as np
import pandas as pd

from hista_repro.errors import Refused
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts
from hista_repro.sveb.statistics import check_scores, squared_errors


def calibration(scores: pd.DataFrame, bins: int = 10, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Mean `estimate` and mean `reference` by equal bins of the estimate; a calibrated estimator has them equal in every bin."""
    return _binned(scores, "estimate", ("estimate", "reference"), bins, repeats, seed, level)


def error_by_position(scores: pd.DataFrame, bins: int = 10, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """`mae` and corrected `mse` by equal bins of `fraction`, the share of the rollout before the state, which `scores` must hold."""
    if "fraction" not in scores.columns:
        raise Refused("the scores lack the column 'fraction'; merge it from the states of the build by state_id")
    return _binned(scores, "fraction", ("mae", "mse"), bins, repeats, seed, level)


def calibration_slopes(scores: pd.DataFrame, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """One row per domain and estimator: domain, estimator and `slope`, with the percentile interval of the bootstrap over prompts.

    The slope of the least-squares line of the references over the estimates, which the noise of references leaves where it is. At 1 values
    come true as they are; below 1 they are too far from their mean, above 1 too near. NaN where all estimates are the same.
    """
    check_scores(scores)
    rows = []
    for (domain, estimator), part in scores.groupby(["domain", "estimator"]):
        f, r = part["estimate"].to_numpy(np.float64), part["reference"].to_numpy(np.float64)
        products = pd.DataFrame({"states": 1.0, "f": f, "r": r, "ff": f * f, "fr": f * r}).groupby(part["problem_id"].to_numpy()).sum()
        resamples_R_P = resampled_prompts(len(products), repeats, np.random.default_rng(derive_seed(seed, domain)))
        sums_R_5 = np.concatenate([np.ones((1, len(products))), resamples_R_P]) @ products.to_numpy()
        slopes_R = _slopes(*sums_R_5.T)
        low, high = percentile_interval(slopes_R[1:][None], level, len(products))
        rows.append({"domain": domain, "estimator": estimator, "slope": slopes_R[0], "slope_low": low[0], "slope_high": high[0]})
    return pd.DataFrame(rows)


def _slopes(states: Array, f: Array, r: Array, ff: Array, fr: Array) -> Array:
    """Of least-squares lines, from sums over states; a variance that is rounding is none."""
    covariance, variance = fr - f * r / states, ff - f * f / states
    return np.divide(covariance, variance, out=np.full(states.shape, np.nan), where=variance > 1e-9 * states)


def _binned(scores: pd.DataFrame, by: str, means: tuple[str, ...], bins: int, repeats: int, seed: int, level: float) -> pd.DataFrame:
    check_scores(scores)
    error = scores["estimate"] - scores["reference"]
    states = scores.assign(
        bias=error,
        mae=error.abs(),
        mse=squared_errors(error, scores["reference"], scores["n"]),
        bin=(np.floor(scores[by] * bins).clip(0, bins - 1) + 0.5) / bins,
        n_states=1,
    )
    frames = []
    for (domain, estimator), part in states.groupby(["domain", "estimator"]):
        sums = part.pivot_table(index="problem_id", columns="bin", values=["n_states", *means], aggfunc="sum", fill_value=0)
        rng = np.random.default_rng(derive_seed(seed, domain))
        resamples_R_P = resampled_prompts(len(sums), repeats, rng)
        count = sums["n_states"]
        frame = pd.DataFrame({"domain": domain, "estimator": estimator, "bin": count.columns, "n_states": count.sum().to_numpy()})
        drawn_R_B = resamples_R_P @ count.to_numpy(np.float64)
        drawn_R_B[drawn_R_B == 0] = np.nan
        problems_B = (count > 0).sum().tolist()
        for name in means:
            frame[name] = (sums[name].sum() / count.sum()).to_numpy()
            draws_B_R = (resamples_R_P @ sums[name].to_numpy() / drawn_R_B).T
            ends = [percentile_interval(draws_R, level, problems) for draws_R, problems in zip(draws_B_R, problems_B, strict=True)]
            frame[f"{name}_low"], frame[f"{name}_high"] = np.array(ends).T
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
