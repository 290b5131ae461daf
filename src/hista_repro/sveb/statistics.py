"""The statistics of SVEB: how far estimates are from state values that are known only as the mean of n continuations.

Notation: f an estimate, V the true value, s successes of n continuations, r = s/n the reference. E[(f - r)^2] exceeds E[(f - V)^2] by the
variance of the reference, V(1-V)/n, whose unbiased estimate is r(1-r)/(n-1). The paper's MAE (equation 4.1) has no such correction, which
is why a perfect estimator scores `oracle_floor` and not 0. All this asks that f does not use the continuations of the reference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from hista_repro.errors import Refused
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import Array, holm, percentile_interval, resampled_prompts, two_sided_p

COLUMNS = ("state_id", "problem_id", "domain", "estimator", "information", "estimate", "reference", "n")
ROUNDING = 1e-5
"""Estimates that lie nearer to each other than this are the same: some float32 operations on values between 0 and 1 tell no more."""
SKILL_OF = {"mse": "skill", "within_prompt_mse": "within_prompt_skill"}


def mae(estimates: ArrayLike, references: ArrayLike) -> float:
    """The paper's score (equation 4.1): mean |f - r| over states."""
    return float(np.abs(_errors(estimates, _finite("references", references))).mean())


def corrected_mse(estimates: ArrayLike, successes: ArrayLike, n: ArrayLike) -> float:
    """mean[(f - r)^2 - r(1-r)/(n-1)] over states: unbiased for the mean squared error to the true value, and at times below 0."""
    reference, n = _reference(successes, n)
    return float(squared_errors(_errors(estimates, reference), reference, n).mean())


def corrected_variance(successes: ArrayLike, n: ArrayLike) -> float:
    """var(r) - mean[r(1-r)/(n-1)]: unbiased for the variance of the true values over the states; needs two states."""
    reference, n = _reference(successes, n)
    if reference.size < 2:
        raise ValueError(f"successes has {reference.size} entry, and a variance needs two")
    return float(reference.var(ddof=1) - _noise(reference, n).mean())


def explained_variance(estimates: ArrayLike, successes: ArrayLike, n: ArrayLike) -> float:
    """1 - corrected_mse / corrected_variance; NaN where the true values show no variance."""
    variance = corrected_variance(successes, n)
    return 1 - corrected_mse(estimates, successes, n) / variance if variance > 0 else float("nan")


def oracle_floor(successes: ArrayLike, n: ArrayLike) -> float:
    """The MAE of an estimator that knows V, which is E|r - V| over the states, estimated from the references alone.

    Nearly unbiased whatever the distribution of V: within 2% for smooth ones and for values of exactly 0 or 1, n = 20 or more.
    """
    return float(_floors(*_reference(successes, n)).mean())


@cache
def _floor_by_successes(n: int) -> Array:
    """(n+1,) scores h(s) with E[h(s) | V] as near to E|s/n - V| as a function of s allows: least squares over V, Jeffreys-distributed.

    h(0) = h(n) = 0, so that values of exactly 0 and 1 add nothing. Slightly smoothed: exact fits would oscillate and add variance.
    """
    points = 4 * n + 50
    V = (1 - np.cos(np.pi * (np.arange(points) + 0.5) / points)) / 2
    pmf = binom.pmf(np.arange(n + 1), n, V[:, None])
    error = (np.abs(np.arange(n + 1) / n - V[:, None]) * pmf).sum(axis=1)
    roughness = np.sqrt(1e-3) * np.diff(np.eye(n + 1), 2, axis=0)
    inner = np.vstack([pmf, roughness])[:, 1:-1]
    scores, *_ = np.linalg.lstsq(inner, np.concatenate([error, np.zeros(n - 1)]), rcond=None)
    return np.concatenate([[0.0], scores, [0.0]])


def _floors(reference: Array, n: Array) -> Array:
    pairs = zip(n.tolist(), np.rint(reference * n).tolist(), strict=True)
    return np.array([_floor_by_successes(round(draws))[round(successes)] for draws, successes in pairs])


def _noise(reference: Array, n: Array) -> Array:
    return reference * (1 - reference) / (n - 1)


def squared_errors(errors: Array, reference: Array, n: Array) -> Array:
    """(f - r)^2 - r(1-r)/(n-1) state by state, from the errors f - r."""
    return errors**2 - _noise(reference, n)


def _errors(estimates: ArrayLike, reference: Array) -> Array:
    estimates = _finite("estimates", estimates)
    if estimates.shape != reference.shape:
        raise ValueError(f"estimates has shape {estimates.shape} for references of shape {reference.shape}")
    return estimates - reference


def _finite(name: str, values: ArrayLike) -> Array:
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {array[~np.isfinite(array)][0]}, which is not finite")
    return array


def _reference(successes: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    successes, n = np.broadcast_arrays(_finite("successes", successes), _finite("n", n))
    if (n < 2).any():
        raise ValueError(f"n holds {n.min():g}, and the noise of a reference shows in two continuations or more")
    if (wrong := (successes < 0) | (successes > n)).any():
        raise ValueError(f"successes holds {successes[wrong][0]:g} of {n[wrong][0]:g}")
    return successes / n, n


@dataclass(frozen=True)
class _Measured:
    """The statistics of E estimators in one domain: their values (E,) and their bootstrap draws (E, R), by name."""

    estimators: pd.Index
    n_prompts: int
    fewest: int
    """The prompts of the smallest domain, on which the intervals of a mean of domains can rely."""
    apart: NDArray[np.intp]
    """(E,) in how many prompts the estimates differ from the baseline's; in a mean of domains, of the smallest where there are any."""
    n_states: int
    floor: float
    values: dict[str, Array]
    draws: dict[str, Array]


def summarise(scores: pd.DataFrame, baseline: str = "loo-mean", repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """One row per domain and estimator; with several domains also rows of domain "all", the unweighted mean of the domains.

    `scores` has a row per state and estimator, as `sveb score` writes it: state_id, problem_id, domain, estimator, information,
    estimate, reference (successes / n), n. The result has domain, estimator, information, n_prompts, n_states, and each with `_low`
    and `_high`: `mae`; `mse`, corrected; `explained_variance`; `skill`, which is 1 - mse / mse of the baseline; and the last three as
    `within_prompt_...`, about the means of the prompts. The errors have differences to the baseline as well: `_diff`, `_diff_low`,
    `_diff_high`. `p_holm` is for "mse_diff is 0", adjusted for the estimators of the domain: the resamples limit how small
    it can be (see `bootstrap.two_sided_p`), so that with few prompts and many estimators nothing may be significant. `floor` is the
    `oracle_floor`.

    Each interval holds `level`, from `repeats` resamples of prompts; with a single prompt, which shows no spread, it is NaN. The interval
    of a difference relies on the prompts in which the two estimators differ at all by more than `ROUNDING`, as a sign test does: three
    prompts that all say the same, among hundreds that say nothing, are three. Raises
    `Refused` for scores that cannot be compared: missing columns or estimates, estimators scored on different states, states with
    two references, no baseline.
    """
    check_scores(scores)
    if baseline not in set(scores["estimator"]):
        there = ", ".join(sorted(set(scores["estimator"])))
        raise Refused(f"no scores of the baseline {baseline!r}; score it too, or compare with one of {there}")
    if not (repeats >= 1 and 0 < level < 1):
        raise ValueError(f"repeats must be 1 or more and level between 0 and 1, not {repeats} and {level}")
    measured = {
        domain: _measure(
            part, baseline, resampled_prompts(part["problem_id"].nunique(), repeats, np.random.default_rng(derive_seed(seed, domain)))
        )
        for domain, part in scores.groupby("domain")
    }
    if len(measured) > 1:
        measured["all"] = _mean(list(measured.values()))
    information = scores.drop_duplicates("estimator").set_index("estimator")["information"]
    rows = [_rows(domain, part, baseline, level) for domain, part in measured.items()]
    table = pd.concat(rows, ignore_index=True)
    table.insert(2, "information", table["estimator"].map(information).astype(str))
    return table


def check_scores(scores: pd.DataFrame) -> None:
    """`Refused` unless every estimator has a finite estimate of every state, and every state one reference."""
    if missing := [name for name in COLUMNS if name not in scores.columns]:
        raise Refused(f"the scores lack the column {missing[0]!r}")
    if scores.empty:
        raise Refused("the scores hold no rows")
    bad = scores[~np.isfinite(scores["estimate"].astype(np.float64))]
    if len(bad):
        raise Refused(f"{bad['estimator'].iloc[0]} has no finite estimate for state {bad['state_id'].iloc[0]!r} ({len(bad)} such rows)")
    _reference((scores["reference"] * scores["n"]).to_numpy(), scores["n"].to_numpy())
    per_state = scores.groupby("state_id")[["problem_id", "domain", "reference", "n"]].nunique()
    if (torn := per_state.gt(1).any(axis=1)).any():
        raise Refused(f"state {torn.idxmax()!r} has two problems, domains or references")
    counts = scores.groupby(["state_id", "estimator"]).size().unstack(fill_value=0)
    if (wrong := counts.ne(1)).any(axis=None):
        state, estimator = wrong.stack().idxmax()
        raise Refused(
            f"{estimator} has {counts.loc[state, estimator]} estimates of state {state!r}; score all estimators on the same states"
        )


def _measure(scores: pd.DataFrame, baseline: str, resamples_R_P: Array) -> _Measured:
    states = scores.drop_duplicates("state_id").sort_values(["problem_id", "state_id"])
    estimates = scores.pivot(index="estimator", columns="state_id", values="estimate")[states["state_id"]]
    reference, n = states["reference"].to_numpy(np.float64), states["n"].to_numpy(np.float64)
    starts = np.flatnonzero(~states["problem_id"].duplicated())
    sums = _prompt_sums(estimates.to_numpy(np.float64), reference, n, starts)
    differ_E_S = np.abs(estimates.to_numpy(np.float64) - estimates.loc[baseline].to_numpy(np.float64)) > ROUNDING
    apart = np.logical_or.reduceat(differ_E_S, starts, axis=1).sum(axis=1)
    values = _statistics({name: sums_E_P.sum(axis=1) for name, sums_E_P in sums.items()})
    draws = _statistics({name: sums_E_P @ resamples_R_P.T for name, sums_E_P in sums.items()})
    return _Measured(estimates.index, len(starts), len(starts), apart, len(states), float(_floors(reference, n).mean()), values, draws)


def _prompt_sums(estimates_E_S: Array, reference_S: Array, n_S: Array, starts_P: NDArray[np.intp]) -> dict[str, Array]:
    """Sums over the states of each prompt, (E, P) or (1, P), from which all statistics follow; states come sorted by prompt."""

    def total(values: Array) -> Array:
        return np.add.reduceat(np.atleast_2d(values), starts_P, axis=1)

    def about_prompt_means(values: Array) -> Array:
        return total(values**2) - total(values) ** 2 / size - noise * (size - 1) / size

    size, noise = total(np.ones_like(reference_S)), total(_noise(reference_S, n_S))
    errors = estimates_E_S - reference_S
    return {
        "states": size,
        "noise": noise,
        "absolute": total(np.abs(errors)),
        "squared": total(errors**2) - noise,
        "reference": total(reference_S),
        "reference_squared": total(reference_S**2),
        "within": size - 1,
        "within_squared": about_prompt_means(errors),
        "within_reference": about_prompt_means(reference_S),
    }


def _statistics(sums: dict[str, Array]) -> dict[str, Array]:
    states = sums["states"]
    mse = sums["squared"] / states
    spread = sums["reference_squared"] - sums["reference"] ** 2 / states
    variance = _ratio(spread, states - 1) - sums["noise"] / states
    statistics = {
        "mae": sums["absolute"] / states,
        "mse": mse,
        "explained_variance": 1 - _ratio(mse, variance),
        "within_prompt_mse": _ratio(sums["within_squared"], sums["within"]),
        "within_prompt_explained_variance": 1 - _ratio(sums["within_squared"], sums["within_reference"]),
    }
    shape = np.broadcast_shapes(*(values.shape for values in statistics.values()))
    return {name: np.broadcast_to(values, shape) for name, values in statistics.items()}


def _ratio(numerator: Array, denominator: Array) -> Array:
    """NaN where the denominator is not positive: no variance, no explained variance."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def _mean(domains: Sequence[_Measured]) -> _Measured:
    first = domains[0]
    return _Measured(
        first.estimators,
        sum(domain.n_prompts for domain in domains),
        min(domain.fewest for domain in domains),
        _fewest_apart(np.stack([domain.apart for domain in domains])),
        sum(domain.n_states for domain in domains),
        float(np.mean([domain.floor for domain in domains])),
        {name: np.mean([domain.values[name] for domain in domains], axis=0) for name in first.values},
        {name: np.mean([domain.draws[name] for domain in domains], axis=0) for name in first.draws},
    )


def _fewest_apart(apart_D_E: NDArray[np.intp]) -> NDArray[np.intp]:
    """(E,) the least count above 0 over the domains; 0 where all are."""
    least = np.where(apart_D_E > 0, apart_D_E, np.iinfo(np.intp).max).min(axis=0)
    return np.where((apart_D_E > 0).any(axis=0), least, 0)


def _rows(domain: str, measured: _Measured, baseline: str, level: float) -> pd.DataFrame:
    at = measured.estimators.get_loc(baseline)
    relied_E = np.minimum(np.maximum(measured.apart, 2), measured.fewest)
    rows: dict[str, Any] = {"n_prompts": measured.n_prompts, "n_states": measured.n_states}

    def add(name: str, values_E: Array, low_E: Array, high_E: Array) -> None:
        rows.update({name: values_E, f"{name}_low": low_E, f"{name}_high": high_E})

    def difference(values: Array) -> Array:
        difference = values - values[at]
        difference[measured.apart == 0] = 0
        return difference

    def by_estimator(function: Callable[..., Any], draws_E_R: Array, *rest: Any) -> Array:
        return np.stack([function(draws_R, *rest, relied) for draws_R, relied in zip(draws_E_R, relied_E.tolist(), strict=True)], axis=-1)

    for name, values in measured.values.items():
        draws = measured.draws[name]
        add(name, values, *percentile_interval(draws, level, measured.fewest))
        if not name.endswith("explained_variance"):
            add(f"{name}_diff", difference(values), *by_estimator(percentile_interval, difference(draws), level))
        if name in SKILL_OF:
            ratio, ratio_draws = 1 - _ratio(values, values[at]), 1 - _ratio(draws, draws[at])
            add(SKILL_OF[name], ratio, *percentile_interval(ratio_draws, level, measured.fewest))
    p = by_estimator(two_sided_p, difference(measured.draws["mse"]))
    p[at] = np.nan
    return pd.DataFrame({"domain": domain, "estimator": measured.estimators, **rows, "p_holm": holm(p), "floor": measured.floor})
