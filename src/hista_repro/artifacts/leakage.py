"""How much of a published method's gain is the outcome of the very rollout whose states it values (our audit)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hista_repro.artifacts.comparisons import error_difference
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.estimators import get_estimator
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.own_weight import own_weight_table

METHODS = ("hista", "numca")
WEIGHED = ("hista", "hista-released", "numca", "numca-released", "group-mean", "ramp")
"""Estimators whose own weight is shown."""
BINS = 10
PARTS = {
    "published": "gain as published",
    "left": "left without the own reward",
    "own": "due to the own reward",
    "alone": "for comparison: own-weight control",
}
"""What `gain_parts` tells apart -> in words."""


def weigh(measurement: Measurement, estimators: Sequence[str] = WEIGHED) -> pd.DataFrame:
    """The own weight of every state of a measurement: one row per state and estimator, as `own_weight_table` gives them."""
    table = own_weight_table(Benchmark(record(measurement.config)), [get_estimator(name) for name in estimators])
    return table[table["state_id"].isin(measurement.scores["state_id"])].reset_index(drop=True)


def control_name(method: str) -> str:
    """The own-weight control of a method."""
    return f"{method}-own-weight"


def with_controls(measurement: Measurement, weights: pd.DataFrame, methods: Sequence[str] = METHODS) -> Measurement:
    """The measurement with the own-weight control of each method: V = (1 - w) loo-mean + w R with the method's own weight w.

    The control knows how much the method listens to the own outcome, and nothing of what it reads in the other rollouts.
    """
    states = measurement.estimates().set_index("state_id")
    rows = measurement.scores[measurement.scores["estimator"] == "own-return"]
    frames = [measurement.scores]
    for method in methods:
        weight = weights[weights["estimator"] == method].set_index("state_id")["weight"]
        values = (1 - weight) * states["loo-mean"] + weight * states["own-return"]
        frames.append(rows.assign(estimator=control_name(method), estimate=rows["state_id"].map(values)))
    return replace(measurement, scores=pd.concat(frames, ignore_index=True))


def weight_by_position(weights: pd.DataFrame) -> pd.DataFrame:
    """Mean own weight by tenths of the rollout: estimator, bin (its middle), n_states, weight, weight_low, weight_high."""
    frames = []
    for name, states in weights.groupby("estimator", sort=False):
        frame = _by_position(states, states["weight"].to_numpy())
        frames.append(frame.rename(columns={"mean": "weight", "low": "weight_low", "high": "weight_high"}).assign(estimator=name))
    return pd.concat(frames, ignore_index=True)


def help_by_position(measurement: Measurement, weights: pd.DataFrame, method: str) -> pd.DataFrame:
    """Where the leave-one-out form of a method helps: error of loo-mean minus error of the form, by tenths of the rollout.

    bin, n_states, mean, low, high, and `word`: "helps", "harms" or "undecided". The positions are those of `weights`.
    """
    fraction = weights.drop_duplicates("state_id").set_index("state_id")["fraction"]
    states = measurement.estimates()
    states = states.assign(fraction=states["state_id"].map(fraction))
    errors = {name: (states[name] - states["reference"]).abs() for name in ("loo-mean", f"{method}-loo")}
    table = _by_position(states, (errors["loo-mean"] - errors[f"{method}-loo"]).to_numpy())
    return table.assign(word=[_help_word(*values) for values in table[["mean", "low", "high"]].itertuples(index=False)])


def gain_parts(measurement: Measurement, method: str) -> pd.DataFrame:
    """What the gain of a published method is made of, in MAE and in corrected MSE: error, part, gain, low, high.

    published: error of group-mean minus that of the method, the gain that the paper reports. left: error of loo-mean minus that of the
    leave-one-out form. own: the first minus the second. alone: error of group-mean minus that of the own-weight control.
    """
    names = ["group-mean", method, "loo-mean", f"{method}-loo", control_name(method)]
    parts_5_4 = np.array([[1, 0, 1, 1], [-1, 0, -1, 0], [0, 1, -1, 0], [0, -1, 1, 0], [0, 0, 0, -1]], dtype=float)
    states = measurement.estimates()
    errors = states[names].sub(states["reference"], axis=0)
    rows = []
    for error, per_state in (("mae", errors.abs()), ("mse", errors**2)):
        draws = _prompt_means(states["problem_id"], per_state.to_numpy()) @ parts_5_4
        low, high = percentile_interval(draws[1:].T, 0.95, states["problem_id"].nunique())
        rows += zip([error] * len(PARTS), PARTS, draws[0], low, high, strict=True)
    return pd.DataFrame(rows, columns=["error", "part", "gain", "low", "high"])


def readable_parts(measurement: Measurement, parts: dict[str, pd.DataFrame]) -> Captioned:
    """`gain_parts` by method as a page shows them."""
    rows = []
    for method, table in parts.items():
        for part, words in PARTS.items():
            cells = table[table["part"] == part].set_index("error")[["gain", "low", "high"]]
            rows.append((method, words, *(Interval(*cells.loc[error]).text(signed=True) for error in ("mae", "mse"))))
    return Captioned(pd.DataFrame(rows, columns=["method", "part of the gain", "MAE", "corrected MSE"]), measurement.name)


def readable_help(measurement: Measurement, tables: dict[str, pd.DataFrame]) -> Captioned:
    """`help_by_position` by method as a page shows it."""
    first = next(iter(tables.values()))
    shown = pd.DataFrame({"part of the answer": [f"{b - 0.05:.0%} to {b + 0.05:.0%}" for b in first["bin"]], "states": first["n_states"]})
    for method, table in tables.items():
        shown[f"{method}-loo"] = [_help_text(*cells) for cells in table[["mean", "low", "high", "word"]].itertuples(index=False)]
    return Captioned(shown, f"{measurement.name}: MAE of loo-mean minus MAE of the leave-one-out form; above 0 it helps.")


def judge_leakage(measurement: Measurement, method: str) -> list[Finding]:
    """Is the method's gain a gain from what it reads? It is held against controls that read less, and without the own reward.

    Errors are mean absolute ones; with the ramp the method is compared in corrected squared error, too, in which states count the more the
    farther off an estimate is.
    """
    pairs = {
        f"{method} has a smaller error than the group mean": (method, "group-mean"),
        f"{method} still has one without the own reward": (f"{method}-loo", "loo-mean"),
        f"{method} has a smaller error than the own outcome at the same weight": (method, control_name(method)),
        f"{method} has a smaller error than the ramp": (method, "ramp"),
        f"{method} has a smaller corrected squared error than the ramp": (method, "ramp"),
    }
    if method == "hista":
        pairs["hista has a smaller error than with shuffled hidden states"] = (method, "hista-permuted")
    findings = []
    for claim, (estimator, against) in pairs.items():
        difference = error_difference(measurement, estimator, against, "mse" if "squared" in claim else "mae")
        paper = "Table 4" if against == "group-mean" else "implied"
        ours = f"{estimator} − {against}: {difference.text(signed=True)}"
        findings.append(Finding(claim, measurement.name, paper, ours, judge_direction(-1, difference)))
    return findings


def _help_word(mean: float, low: float, high: float) -> str:
    if np.isnan(low):
        return "undecided"
    return {Word.AGREES: "helps", Word.DISAGREES: "harms"}.get(judge_direction(+1, Interval(mean, low, high)), "undecided")


def _help_text(mean: float, low: float, high: float, word: str) -> str:
    return "–" if np.isnan(low) else f"{Interval(mean, low, high).text(signed=True)} {word}"


def _by_position(states: pd.DataFrame, values_S: np.ndarray) -> pd.DataFrame:
    """Means of `values_S` by tenths of `fraction`; a tenth without states has no row, one with states of a single problem no interval."""
    middles_S = (np.floor(states["fraction"].to_numpy() * BINS).clip(0, BINS - 1) + 0.5) / BINS
    sums = pd.DataFrame({"problem_id": states["problem_id"].to_numpy(), "bin": middles_S, "n": 1.0, "value": values_S})
    sums = sums.pivot_table(index="problem_id", columns="bin", values=["n", "value"], aggfunc="sum", fill_value=0)
    resamples_R_P = _resamples(len(sums))
    with np.errstate(invalid="ignore"):
        draws_B_R = ((resamples_R_P @ sums["value"].to_numpy()) / (resamples_R_P @ sums["n"].to_numpy())).T
    problems_B = (sums["n"] > 0).sum().to_numpy()
    ends = [percentile_interval(draws_R, 0.95, problems) for draws_R, problems in zip(draws_B_R[:, 1:], problems_B.tolist(), strict=True)]
    low, high = np.array(ends).T
    counts = sums["n"].sum().astype(int)
    return pd.DataFrame({"bin": counts.index, "n_states": counts.to_numpy(), "mean": draws_B_R[:, 0], "low": low, "high": high})


def _prompt_means(problems: pd.Series, values_S_C: np.ndarray) -> np.ndarray:
    """(1 + R, C) means over states: of all problems, then of each resample of the problems."""
    sums = pd.DataFrame(values_S_C).assign(n=1.0).groupby(problems.to_numpy()).sum().to_numpy()
    drawn = _resamples(len(sums)) @ sums
    return drawn[:, :-1] / drawn[:, -1:]


def _resamples(prompts: int) -> np.ndarray:
    """(1 + R, P): every prompt once, then how often each resample draws it."""
    resamples = resampled_prompts(prompts, REPEATS, np.random.default_rng(derive_seed(0, "leakage")))
    return np.vstack([np.ones(prompts), resamples])
