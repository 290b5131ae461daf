"""Where estimates go wrong: calibration, error by position and error by value, as tidy frames for figures.

Each frame has a row per domain, estimator and bin: domain, estimator, bin (its middle), n_states, and means over the states of the bin
with the percentile interval of the bootstrap over prompts (`_low`, `_high`). Empty bins have no row.
"""

import numpy as np
import pandas as pd

from hista_repro.errors import Refused
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.statistics import check_scores, squared_errors


def calibration(scores: pd.DataFrame, bins: int = 10, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """Mean `estimate` and mean `reference` by equal bins of the estimate; a calibrated estimator has them equal in every bin."""
    return _binned(scores, "estimate", ("estimate", "reference"), bins, repeats, seed, level)


def error_by_position(scores: pd.DataFrame, bins: int = 10, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """`mae` and corrected `mse` by equal bins of `fraction`, the share of the rollout before the state, which `scores` must hold."""
    if "fraction" not in scores.columns:
        raise Refused("the scores lack the column 'fraction'; merge it from the states of the build by state_id")
    return _binned(scores, "fraction", ("mae", "mse"), bins, repeats, seed, level)


def error_by_value(scores: pd.DataFrame, bins: int = 10, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """`mae` and `bias`, the mean of estimate - reference, by equal bins of the reference.

    The reference stands for the true value and is itself noisy: states of the outer bins are partly there by luck, so that even the true
    value shows a bias towards the middle there. Compare estimators within a bin, not bins.
    """
    return _binned(scores, "reference", ("mae", "bias"), bins, repeats, seed, level)


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
        for name in means:
            frame[name] = (sums[name].sum() / count.sum()).to_numpy()
            draws_B_R = (resamples_R_P @ sums[name].to_numpy() / drawn_R_B).T
            frame[f"{name}_low"], frame[f"{name}_high"] = percentile_interval(draws_B_R, level, len(sums))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
