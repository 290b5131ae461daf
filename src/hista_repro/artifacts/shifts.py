"""How far estimates move from the group mean, and what the far ones know (Figures 2, 6, 7 and 8 of the paper)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts
from hista_repro.sveb.records import read_table

BIN_WIDTH = 0.05
BIN_EDGES = np.arange(-1 - BIN_WIDTH / 2, 1 + BIN_WIDTH, BIN_WIDTH)
"""One bin is centred on no shift at all."""
NEAR = BIN_WIDTH / 2
"""A state whose estimate is nearer to the group mean than this has not moved: it lies in the central bin."""
FAR = 0.4
"""The paper speaks of predictions "near 0.5 and -0.5"; shifts of at least this size count as such."""
SURE = 0.1
"""A state whose continuations end the same way up to this share has its outcome decided."""


def shifts(measurement: Measurement, estimator: str) -> pd.DataFrame:
    """One row per state: problem_id, shift (estimate minus group mean), own_outcome, and reference.

    own_outcome says how the rollout ended that the state was cut from: "correct" or "wrong".
    """
    states = measurement.estimates()
    own_outcome = np.where(states["own-return"] == 1, "correct", "wrong")
    return states[["problem_id", "reference"]].assign(shift=states[estimator] - states["group-mean"], own_outcome=own_outcome)


def shift_summary(measurement: Measurement, estimators: Sequence[str]) -> pd.DataFrame:
    """One row per estimator; every share with `_low` and `_high`, NaN where there is nothing to take a share of.

    Of all states: `unmoved` (in the central bin), `far` (moved by `FAR` or more), `peak` (in the fullest bin). Of the far states: `own`,
    moved towards the outcome of their own rollout; `sure`, moved towards an outcome in which at least 1 - `SURE` of the continuations end.
    """
    return pd.DataFrame([{"estimator": name, **_shares(shifts(measurement, name))} for name in estimators])


def readable_shares(measurement: Measurement, summary: pd.DataFrame) -> Captioned:
    """A `shift_summary` as a page shows it."""
    titles = {"unmoved": "unmoved", "peak": "in the fullest bin", "far": "far", "own": "far: own outcome", "sure": "far: decided"}
    shown = summary[["estimator"]].copy()
    for name, title in titles.items():
        columns = [name, f"{name}_low", f"{name}_high"]
        shown[title] = [_percentages(*shares) for shares in summary[columns].itertuples(index=False)]
    return Captioned(shown, f"{measurement.size}. Shares of the states, and of the far ones.")


def share_text(share: float) -> str:
    """A share in percent; a share of nothing is a dash."""
    return "–" if np.isnan(share) else f"{share:.0%}"


def _percentages(share: float, low: float, high: float) -> str:
    return share_text(share) if np.isnan(low) else f"{share:.0%} [{low:.0%}, {high:.0%}]"


def peak_difference(measurement: Measurement, estimator: str, against: str) -> Interval:
    """The share of states in the fullest bin under `estimator`, minus that under `against`: below 0, the first is the smoother."""
    states = [shifts(measurement, name) for name in (estimator, against)]
    difference = _peaks(states[0]) - _peaks(states[1])
    low, high = percentile_interval(difference[None, 1:], 0.95, states[0]["problem_id"].nunique())
    return Interval(float(difference[0]), float(low[0]), float(high[0]))


def judge_far(measurement: Measurement, estimator: str) -> Finding:
    """Appendix C: predictions near 0.5 and -0.5 are observed."""
    return _judge_share(measurement, estimator, "far", "some estimates move by about 0.5", "seen in the figure", above=0.0)


def judge_decided(measurement: Measurement, estimator: str) -> Finding:
    """Appendix C: such predictions mark states that lead to their outcome deterministically; taken here as: most of them do."""
    return _judge_share(measurement, estimator, "sure", "most of those are states whose outcome is decided", "suggested", above=0.5)


def new_numbers(measurement: Measurement) -> float:
    """How many numbers a typical answer writes that its question does not have: the median over the problems of a build."""
    problems = read_table(record(measurement.config), "problems")
    return float(problems.loc[problems["kept"], "new_numbers"].median())


def judge_without_numbers(measurements: Sequence[Measurement], numbers: Mapping[str, float], estimator: str = "numca") -> list[Finding]:
    """Appendix C: in domains without explicit numbers, Numca stays at the group mean; taken here as: in most states.

    `numbers`: the name of a measurement -> its `new_numbers`. What a field is called says nothing: generated problems on science are full
    of numbers.
    """
    claim, paper = "without numbers in the text, estimates stay at the group mean", "seen in the figure"
    there = [measurement for measurement in measurements if numbers[measurement.name] == 0]
    findings = [_judge_share(measurement, estimator, "unmoved", claim, paper, above=0.5) for measurement in there]
    return findings or [Finding(f"{estimator}: {claim}", "–", paper, "–", Word.NOT_RUN)]


def judge_smoother(measurement: Measurement, estimator: str, than: str) -> Finding:
    """Appendix C: Hista's distribution is noticeably smoother than Numca's; taken here as: its fullest bin holds fewer states."""
    difference = peak_difference(measurement, estimator, than)
    ours = f"share in the fullest bin: {difference.text(signed=True)}"
    return Finding(f"{estimator}: smoother than {than}", measurement.name, "seen in the figures", ours, judge_direction(-1, difference))


def _judge_share(measurement: Measurement, estimator: str, name: str, claim: str, paper: str, above: float) -> Finding:
    """A claim that holds where a share of the states exceeds `above`."""
    share, claim = _interval(shift_summary(measurement, [estimator]).iloc[0], name), f"{estimator}: {claim}"
    if share is None:
        return Finding(claim, measurement.name, paper, "no such state", Word.NOT_COMPARABLE)
    beyond = Interval(share.estimate - above, share.low - above, share.high - above)
    return Finding(claim, measurement.name, paper, f"share of states: {share.text()}", judge_direction(+1, beyond))


def _interval(row: pd.Series, name: str) -> Interval | None:
    values = [float(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
    return None if np.isnan(values).any() else Interval(*values)


def _shares(states: pd.DataFrame) -> dict[str, float]:
    up, far = states["shift"] > 0, states["shift"].abs() >= FAR
    own = up == (states["own_outcome"] == "correct")
    sure = np.where(up, states["reference"] >= 1 - SURE, states["reference"] <= SURE)
    flags = {"states": far | True, "unmoved": states["shift"].abs() < NEAR, "far": far, "own": far & own, "sure": far & sure}
    total, unmoved, far, own, sure = _sums(states, pd.DataFrame(flags)).T
    with np.errstate(invalid="ignore"):
        shares = {"unmoved": unmoved / total, "far": far / total, "own": own / far, "sure": sure / far, "peak": _peaks(states)}
    problems = {name: states.loc[flags["far" if name in ("own", "sure") else "states"], "problem_id"].nunique() for name in shares}
    result = {}
    for name, draws in shares.items():
        result |= dict(zip((name, f"{name}_low", f"{name}_high"), _with_interval(draws, problems[name]), strict=True))
    return result


def _with_interval(draws: Array, problems: int) -> tuple[float, float, float]:
    """A share and its interval, from the share and its bootstrap draws, with which `problems` have to do.

    A share of 0 or 1 is the same in every resample, which does not make it certain: it gets the Wilson interval, each problem counted once.
    """
    share = float(draws[0])
    if share in (0.0, 1.0):
        bounds = binomtest(round(share) * problems, problems).proportion_ci(method="wilson")
        return share, float(bounds.low), float(bounds.high)
    low, high = percentile_interval(draws[None, 1:], 0.95, problems)
    return share, float(low[0]), float(high[0])


def _peaks(states: pd.DataFrame) -> Array:
    """(1 + R,) share of states in the fullest bin."""
    counts = _sums(states, pd.get_dummies(pd.cut(states["shift"], BIN_EDGES, right=False)))
    return counts.max(axis=1) / counts.sum(axis=1)


def _sums(states: pd.DataFrame, flags: pd.DataFrame) -> Array:
    """(1 + R, C) how many states have each of C flags: in all problems, then in each of `REPEATS` resamples of the problems."""
    sums_P_C = flags.astype(float).groupby(states["problem_id"].to_numpy()).sum().to_numpy()
    resamples_R_P = resampled_prompts(len(sums_P_C), REPEATS, np.random.default_rng(derive_seed(0, "shifts")))
    return np.vstack([sums_P_C.sum(axis=0), resamples_R_P @ sums_P_C])
