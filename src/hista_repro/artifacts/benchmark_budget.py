"""How the tokens of a benchmark are best spent: on problems, on states of each, or on continuations of each state.

What two estimators f and g differ by in squared error is (f - g)(f + g - 2r) at a state with reference r. That is linear in r, so the
noise of references adds to its variance and not to its mean. With S states of each of P problems and n continuations of each state the
variance of the mean difference is

    (problems + states / S + continuations / (S n)) / P

with three parts that one build shows, as in any sample drawn in three stages: the variance of the differences of problems, that of states
of one problem, and that of a single continuation. A benchmark in a new design has the standard error that they foretell, if its states are
picked as those of the build are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from hista_repro.artifacts.measurements import REPEATS, Measurement, chosen_builds, measure
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts
from hista_repro.sveb.records import read_table
from hista_repro.sveb.statistics import oracle_floor

COMPARED = (("hista-loo", "loo-mean"), ("numca-loo", "loo-mean"), ("hista-loo", "numca-loo"))
"""An estimator, and what its error is compared with."""
_SHOWN = ("loo-mean", "numca-loo", "hista-loo")
_PARTS = ("problems", "states", "continuations")


@dataclass(frozen=True)
class Design:
    """How many states of each problem, and how many continuations of each state."""

    states: int
    continuations: int

    @property
    def label(self) -> str:
        return f"{self.states} × {self.continuations}"


PAPER = Design(5, 20)
"""About 5,000 states of 1,000 problems (section 4.1) and 20 continuations ("MCS@20", Table 4)."""
FEWER, PILED_UP, SPREAD_OUT = Design(5, 4), Design(5, 100), Design(50, 2)
"""A fifth of the paper's continuations of a state; five times as many; ten times its states, with as many continuations of a problem."""
DESIGNS = (Design(1, 20), Design(1, 100), Design(5, 2), FEWER, PAPER, PILED_UP, Design(25, 4), SPREAD_OUT)
"""What tables show."""


@dataclass(frozen=True)
class Cost:
    """Tokens that are written for a benchmark."""

    problem: float
    """For a problem that is kept, with all its rollouts and those that decided what is kept."""
    continuation: float

    def of(self, design: Design) -> float:
        """Of one problem in this design."""
        return self.problem + design.states * design.continuations * self.continuation


@dataclass(frozen=True)
class Variances:
    """The three parts of the variance of one difference of error, none below 0, with R draws of resampled problems."""

    pair: tuple[str, str]
    parts: Array
    """(3,) `_PARTS`: of problems, of states of one problem, of one continuation."""
    draws: Array = field(repr=False)
    """(R, 3)"""
    problems: int

    @property
    def quantity(self) -> str:
        return " − ".join(self.pair)

    def shares(self, design: Design) -> dict[str, Interval]:
        """What each part is of the variance in this design."""
        parts, draws = self.parts / _divisors(design), self.draws / _divisors(design)
        values, draws = parts / parts.sum(), draws / draws.sum(axis=1, keepdims=True)
        return {name: self._interval(float(values[place]), draws[:, place]) for place, name in enumerate(_PARTS)}

    def standard_error(self, design: Design, problems: int) -> Interval:
        """Of the mean difference over so many problems in this design."""
        values, draws = (np.sqrt((parts / _divisors(design)).sum(axis=-1) / problems) for parts in (self.parts, self.draws))
        return self._interval(float(values), draws)

    def relative_error(self, design: Design, against: Design, cost: Cost) -> Interval:
        """The standard error of one design over that of another which costs as many tokens, and so has another number of problems."""
        dearer = cost.of(design) / cost.of(against)
        values, draws = (
            np.sqrt(dearer * (parts / _divisors(design)).sum(axis=-1) / (parts / _divisors(against)).sum(axis=-1))
            for parts in (self.parts, self.draws)
        )
        return self._interval(float(values), draws)

    def _interval(self, value: float, draws_R: Array) -> Interval:
        low, high = percentile_interval(draws_R[None], 0.95, self.problems)
        return Interval(value, float(low[0]), float(high[0]))


def variances_of(measurement: Measurement, pair: tuple[str, str]) -> Variances:
    """The parts of the variance of `pair`'s difference in squared error, by unbiased moments, those below 0 set to 0.

    Raises `Refused` where no problem has two states, so that nothing shows how states of one problem differ.
    """
    sums = _sums_by_problem(measurement, pair)
    if (sums["states"] < 2).all():
        raise Refused(f"{measurement.name} has one state of each problem; set states to two or more")
    problems = len(sums["states"])
    resamples_R_P = resampled_prompts(problems, REPEATS, np.random.default_rng(derive_seed(0, "budget", *pair)))
    (parts,), draws = (_parts(sums, weights) for weights in (np.ones((1, problems)), resamples_R_P))
    return Variances(pair, parts, draws, problems)


def _sums_by_problem(measurement: Measurement, pair: tuple[str, str]) -> dict[str, Array]:
    """By name, (P,) numbers of each problem: its states, the mean of its differences, their sum of squares about it, the sum of their
    variances that a single continuation brings, and of those that the reference brings."""
    scores = measurement.scores
    wide = scores[scores["estimator"].isin(pair)].pivot(
        index=["problem_id", "state_id", "reference", "n"], columns="estimator", values="estimate"
    )
    rows = wide.rename_axis(columns=None).reset_index()
    apart, r, n = rows[pair[0]] - rows[pair[1]], rows["reference"], rows["n"]
    rows["difference"] = apart * (rows[pair[0]] + rows[pair[1]] - 2 * r)
    rows["single"] = 4 * apart**2 * r * (1 - r) * n / (n - 1)
    rows["noise"] = rows["single"] / n
    problems = rows.groupby("problem_id")
    means = problems["difference"].mean()
    squares = (rows["difference"] - rows["problem_id"].map(means)).pow(2).groupby(rows["problem_id"]).sum()
    found = {"states": problems.size(), "mean": means, "squares": squares, **{name: problems[name].sum() for name in ("single", "noise")}}
    return {name: values.to_numpy(dtype=float) for name, values in found.items()}


def _parts(sums: Mapping[str, Array], weights_R_P: Array) -> Array:
    """(R, 3) the parts of the variance where each problem counts as often as its weight says."""
    states, mean, noise = sums["states"], sums["mean"], sums["noise"]

    def total(values_P: Array) -> Array:
        return weights_R_P @ values_P

    count = total(np.ones_like(mean))
    within = _ratio(total(sums["squares"] - noise * (1 - 1 / states)), total(states - 1))
    between = _variance(mean, weights_R_P) - within * total(1 / states) / count - total(noise / states**2) / count
    return np.maximum(np.stack([between, within, total(sums["single"]) / total(states)], axis=-1), 0.0)


def _variance(values_P: Array, weights_R_P: Array) -> Array:
    """(R,) the sample variance of values that count as often as their weights say."""
    count = weights_R_P.sum(axis=1)
    return (weights_R_P @ values_P**2 - (weights_R_P @ values_P) ** 2 / count) / (count - 1)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """NaN where a resample holds no problem with two states."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _divisors(design: Design) -> Array:
    return np.array([1, design.states, design.states * design.continuations], dtype=float)


def cost_of(config: Mapping[str, Any], domain: str) -> Cost:
    """The tokens that a build of these settings took for each problem it kept and for each continuation, in one of its domains."""
    folder = record(config)
    problems = read_table(folder, "problems")
    asked = problems.loc[problems["domain"] == domain, "problem_id"]
    kept = problems.loc[(problems["domain"] == domain) & problems["kept"], "problem_id"]
    written = sum(
        int(rows.loc[rows["problem_id"].isin(asked), "token_ids"].map(len).sum())
        for rows in (read_table(folder, name) for name in ("screening", "rollouts"))
    )
    states = read_table(folder, "states")
    references = read_table(folder, "references").set_index("state_id").loc[states.loc[states["domain"] == domain, "state_id"]]
    continuations = (references["n"] + references["draws"].map(len)).sum()
    return Cost(written / len(kept), float(references["tokens"].sum() / continuations))


def measure_budget(
    builds: Sequence[Mapping[str, Any]], redesign: Mapping[str, int], model: str = ""
) -> tuple[list[Measurement], Measurement]:
    """The builds, and the first of them in another design: with other `states`, `references` and, if it says so, `draws`.

    With a `model`, the first build is made with that model and the others are left out. Raises `Refused` as `measure` does, for a
    `redesign` that holds anything else, and for a first build of several domains.
    """
    if not {"states", "references"} <= set(redesign) <= {"states", "references", "draws"}:
        raise Refused(f"redesign holds states, references and, if you like, draws, not {', '.join(sorted(redesign)) or 'nothing'}")
    names = list(dict.fromkeys(name for pair in COMPARED for name in pair))
    other = measure([{**chosen_builds(builds, model)[0], **redesign}], names)
    if len(other) > 1:
        raise Refused(f"builds: the problems of the first are of {len(other)} domains; choose one with its setting domain")
    return measure(builds, names, model), other[0]


@dataclass(frozen=True)
class Foretold:
    """A standard error in a design that was made to see whether it is as foretold."""

    quantity: str
    design: Design
    expected: Interval
    seen: Interval
    ratio: Interval
    """Of what was seen over what was expected, over the same resampled problems."""
    relative: Interval
    """Of what was seen over what is expected of the paper's design at the same cost."""


def foretell(measurement: Measurement, other: Measurement, pair: tuple[str, str], cost: Cost) -> Foretold:
    """Hold the standard error that `measurement`, of the given cost, foretells for the design of `other` against the one `other` shows.

    Raises `ValueError` unless both are of the same problems.
    """
    if set(measurement.scores["problem_id"]) != set(other.scores["problem_id"]):
        raise ValueError(f"other: its problems are not those of {measurement.name}")
    here, there = _sums_by_problem(measurement, pair), _sums_by_problem(other, pair)
    problems = len(here["states"])
    design = Design(other.config["states"], other.config["references"])
    resamples_R_P = resampled_prompts(problems, REPEATS, np.random.default_rng(derive_seed(0, "foretold", *pair)))
    weights = np.concatenate([np.ones((1, problems)), resamples_R_P])
    parts = _parts(here, weights)
    expected, papers = (np.sqrt((parts / _divisors(each)).sum(axis=1) / problems) for each in (design, PAPER))
    seen = np.sqrt(_variance(there["mean"], weights) / problems)
    intervals = []
    for values in (expected, seen, seen / expected, seen / papers * np.sqrt(cost.of(design) / cost.of(PAPER))):
        low, high = percentile_interval(values[None, 1:], 0.95, problems)
        intervals.append(Interval(float(values[0]), float(low[0]), float(high[0])))
    return Foretold(" − ".join(pair), design, *intervals)


def absolute_errors(measurement: Measurement) -> pd.DataFrame:
    """One row for each number of continuations: n, the MAE that estimators would show with it, the floor, and the difference of the first
    of `COMPARED` with its interval (`diff`, `diff_low`, `diff_high`).

    Fewer continuations than the build has are any of them: for each state the mean over all choices, which is hypergeometric.
    """
    scores = measurement.scores
    wide = scores.pivot(index=["problem_id", "state_id", "reference", "n"], columns="estimator", values="estimate").reset_index()
    n = int(wide["n"].iloc[0])
    successes = np.rint(wide["reference"] * n).astype(int).to_numpy()
    resamples_R_P = resampled_prompts(wide["problem_id"].nunique(), REPEATS, np.random.default_rng(derive_seed(0, "absolute errors")))
    rows = []
    for fewer in _counts(n):
        seen = np.arange(fewer + 1)
        chances_S_K = hypergeom.pmf(seen, n, successes[:, None], fewer)
        errors = {name: (chances_S_K * np.abs(wide[name].to_numpy()[:, None] - seen / fewer)).sum(axis=1) for name in _SHOWN}
        floor = float(chances_S_K.mean(axis=0) @ [oracle_floor(k, fewer) for k in seen])
        first, second = COMPARED[0]
        sums = pd.DataFrame({"difference": errors[first] - errors[second], "states": 1.0}).groupby(wide["problem_id"]).sum().to_numpy()
        draws_R_2 = resamples_R_P @ sums
        low, high = percentile_interval((draws_R_2[:, 0] / draws_R_2[:, 1])[None], 0.95, len(sums))
        difference = {"diff": sums[:, 0].sum() / sums[:, 1].sum(), "diff_low": low[0], "diff_high": high[0]}
        rows.append({"n": fewer, **{name: values.mean() for name, values in errors.items()}, "floor": floor, **difference})
    return pd.DataFrame(rows)


def _counts(n: int) -> list[int]:
    return [*(few for few in (2, 5, 10, 20, 50, 100) if few < n), n]


def readable_shares(measurement: Measurement, variances: Sequence[Variances]) -> Captioned:
    """Where the variance of each difference comes from, in the paper's design."""
    rows = [(v.quantity, *(share.text() for share in v.shares(PAPER).values())) for v in variances]
    caption = f"{measurement.size}. Shares of the variance in the paper's design, {PAPER.label} (states × continuations)."
    return Captioned(pd.DataFrame(rows, columns=["difference", *_PARTS]), caption)


def readable_designs(measurement: Measurement, variances: Sequence[Variances], cost: Cost) -> Captioned:
    """What designs of equal cost do to the standard error."""
    rows = []
    for design in DESIGNS:
        problems = cost.of(PAPER) / cost.of(design)
        errors = ["1" if design == PAPER else v.relative_error(design, PAPER, cost).text() for v in variances]
        rows.append((design.label, number_text(problems, digits=2), *errors))
    caption = (
        f"{measurement.name}. Standard errors at equal cost, over those of the paper's design; a kept problem costs {cost.problem:.0f} "
        f"tokens and a continuation {cost.continuation:.0f}."
    )
    return Captioned(pd.DataFrame(rows, columns=["states × continuations", "problems", *(v.quantity for v in variances)]), caption)


def readable_foretold(other: Measurement, checks: Sequence[Foretold]) -> Captioned:
    """What was foretold, and what a build in that design shows."""
    rows = []
    for check in checks:
        errors = (number_text(interval.estimate, digits=4) for interval in (check.expected, check.seen))
        rows.append((check.quantity, *errors, check.ratio.text(), check.relative.text()))
    caption = f"{other.size}. Standard errors: those foretold for this design, those it has, and these over the paper's at equal cost."
    return Captioned(pd.DataFrame(rows, columns=["difference", "foretold", "seen", "seen / foretold", "seen / the paper's"]), caption)


def readable_absolute(measurement: Measurement, table: pd.DataFrame) -> Captioned:
    """`absolute_errors` as a page shows it."""
    shown = pd.DataFrame({"continuations": table["n"].astype(str)})
    for name in (*_SHOWN, "floor"):
        shown[name] = [number_text(value) for value in table[name]]
    intervals = table[["diff", "diff_low", "diff_high"]].itertuples(index=False)
    shown[" − ".join(COMPARED[0])] = [Interval(*values).text(signed=True) for values in intervals]
    return Captioned(shown, f"{measurement.name}. MAE with references of so many continuations of the same states.")


def judge_seen(measurement: Measurement, checks: Sequence[Foretold]) -> list[Finding]:
    """Whether the design that was made tells more than the paper's at the same cost."""
    return [_finding(measurement, check.design, check.quantity, check.relative) for check in checks]


def judge_continuations(measurement: Measurement, variances: Sequence[Variances], cost: Cost) -> list[Finding]:
    """Whether fewer or more continuations of as many states tell more at the same cost, which leaves more or fewer problems.

    More states with as many continuations of a problem are no claim: they never tell less where the parts of the variance hold.
    """
    found = {(design, v.quantity): v.relative_error(design, PAPER, cost) for design in (FEWER, PILED_UP) for v in variances}
    return [_finding(measurement, *asked, ratio) for asked, ratio in found.items()]


def _finding(measurement: Measurement, design: Design, quantity: str, ratio: Interval) -> Finding:
    excess = Interval(*(value - 1 for value in (ratio.estimate, ratio.low, ratio.high)))
    claim = f"{design.label} (states × continuations) tells {quantity} more exactly than {PAPER.label} at the same cost"
    return Finding(claim, measurement.name, "no claim", f"ratio of standard errors {ratio.text()}", judge_direction(-1, excess))


def shown_numbers(variances: Variances, cost: Cost, check: Foretold, absolute: pd.DataFrame) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    fewest, most = absolute.iloc[0], absolute.iloc[-1]
    return {
        "quantity": variances.quantity,
        **{name: share.text() for name, share in variances.shares(PAPER).items()},
        "spread": variances.relative_error(SPREAD_OUT, PAPER, cost).text(),
        "fewer": variances.relative_error(FEWER, PAPER, cost).text(),
        "more": variances.relative_error(PILED_UP, PAPER, cost).text(),
        "design": check.design.label,
        "check": check.ratio.text(),
        "seen": check.relative.text(),
        **{"fewest": f"{fewest['n']:g}", "few": number_text(fewest["diff"], signed=True)},
        **{"most": f"{most['n']:g}", "many": number_text(most["diff"], signed=True)},
    }
