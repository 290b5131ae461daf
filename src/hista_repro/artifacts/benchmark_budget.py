"""How the tokens of a benchmark are best spent: on problems, on states of each, or on continuations of each state.

What two estimators f and g differ by in squared error is (f - g)(f + g - 2r) at a state with reference r. That is linear in r, so the
noise of references adds to its variance and not to its mean. With S states of each of P problems and n continuations of each state the
variance of the mean difference is

    (problems + states / S + continuations / (S n)) / P

as in any sample drawn in three stages. One build shows the three parts: the covariance of two states of one problem, how far the variance
of a state exceeds it, and the variance that a single continuation adds. As long as a problem has no more states than rollouts, each is cut
from a rollout of its own (`sveb.states`), any two are alike, and the formula is exact; with more, states share rollouts, and the true
variance is larger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import hypergeom

from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.measurements import REPEATS, Measurement, chosen_builds, measure
from hista_repro.artifacts.ratios import ratio
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import read_table
from hista_repro.sveb.statistics import oracle_floor

COMPARED = (("hista-loo", "loo-mean"), ("numca-loo", "loo-mean"), ("hista-loo", "numca-loo"))
"""An estimator, and what its error is compared with."""
ESTIMATORS = ("loo-mean", "numca-loo", "hista-loo")
PARTS = ("problems", "states", "continuations")
MARGIN = 1.25
"""By what factor a standard error may miss what is foretold and still be as foretold: less does not change what one would build."""


@dataclass(frozen=True)
class Design:
    """How many states of each problem, and how many continuations of each state."""

    states: int
    continuations: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """That of a build with these settings."""
        return cls(config["states"], config["references"])

    @property
    def label(self) -> str:
        return f"{self.states} × {self.continuations}"


PAPER = Design(5, 20)
"""About 5,000 states of 1,000 problems (section 4.1) and 20 continuations ("MCS@20", Table 4)."""
FEWER, MORE = Design(5, 4), Design(5, 100)
"""The paper's states with a fifth of its continuations, and with five times as many."""
DESIGNS = (
    *(Design(1, 20), Design(1, 100), Design(5, 2), FEWER, PAPER, MORE),
    *(Design(10, 2), Design(10, 10), Design(20, 2), Design(20, 5), Design(40, 2)),
)
"""What tables show, where a problem has as many rollouts as states."""


@dataclass(frozen=True)
class Cost:
    """Tokens that are written for a benchmark, with R draws of resampled problems."""

    problem: float
    """For a problem that is kept, with all its rollouts and those that decided what is kept."""
    continuation: float
    draws: Array = field(repr=False)
    """(R, 2) both. How many problems are kept is drawn, too; NaN where none is."""

    def of(self, design: Design) -> float:
        """Of one problem in this design."""
        return self.problem + design.states * design.continuations * self.continuation

    def drawn(self, design: Design) -> Array:
        """(R,) the same, of each draw."""
        return self.draws @ [1, design.states * design.continuations]


@dataclass(frozen=True)
class Variances:
    """The three parts of the variance of one difference of error, none below 0, with R draws of resampled problems."""

    pair: tuple[str, str]
    parts: Array
    """(3,) in the order of `PARTS`."""
    draws: Array = field(repr=False)
    """(R, 3), of the same resamples as those of `Cost`"""
    problems: int
    rollouts: int
    """Of each problem; the most states for which the parts hold."""

    @property
    def quantity(self) -> str:
        return " − ".join(self.pair)

    def shares(self, design: Design) -> dict[str, Interval]:
        """What each part is of the variance in this design."""
        values, draws = (parts / _divisors(design) for parts in (self.parts, self.draws))
        shares, drawn = values / values.sum(), ratio(draws, draws.sum(axis=1, keepdims=True))
        return {name: _interval(shares[place], drawn[:, place], self.problems) for place, name in enumerate(PARTS)}

    def relative_error(self, design: Design, cost: Cost) -> Interval:
        """The standard error of a design over that of `PAPER` which costs as many tokens, and so has another number of problems."""
        values, draws = (
            ratio((parts / _divisors(design)).sum(axis=-1) * tokens(design), (parts / _divisors(PAPER)).sum(axis=-1) * tokens(PAPER))
            for parts, tokens in ((self.parts, cost.of), (self.draws, cost.drawn))
        )
        return _interval(np.sqrt(values), np.sqrt(draws), self.problems)


def variances_of(measurement: Measurement) -> list[Variances]:
    """For each of `COMPARED` the parts of the variance of its difference in squared error, without those that give equal values.

    Moments, unbiased but for parts below 0, which are set to 0. Raises `Refused` where the first of `COMPARED` gives equal values, so that
    there is nothing to compare, and where no problem has two states.
    """
    found = []
    for pair in COMPARED:
        sums = _sums_by_problem(measurement, pair)
        problems = len(sums["states"])
        if (sums["states"] < 2).all():
            raise Refused(f"{measurement.name} has one state of each problem; set states to two or more")
        if not sums["single"].any() and not sums["mean"].any():
            continue
        (parts,), draws = (_parts(sums, weights) for weights in (np.ones((1, problems)), _resamples(problems)))
        found.append(Variances(pair, parts, draws, problems, measurement.config["group_size"]))
    if not found or found[0].pair != COMPARED[0]:
        raise Refused(f"{' and '.join(COMPARED[0])} give equal values on {measurement.name}, so that there is nothing to compare")
    return found


def _resamples(problems: int) -> Array:
    """(R, P) how often each problem with states counts, in the order of their ids; of variances and costs alike."""
    return resampled_prompts(problems, REPEATS, np.random.default_rng(derive_seed(0, "budget")))


def _sums_by_problem(measurement: Measurement, pair: tuple[str, str]) -> dict[str, Array]:
    """By name, (P,) numbers of each problem, sorted by its id: its states, the mean of its differences, their sum of squares about it, the
    sum of their variances that a single continuation brings, and of those that the reference brings."""
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
    """(R, 3) the parts of the variance where each problem counts as often as its weight says; NaN where none has two states."""
    states, mean, noise = sums["states"], sums["mean"], sums["noise"]
    several = states > 1
    own = np.where(several, ratio(sums["squares"] - noise * (1 - 1 / states), states - 1), 0)  # problems with more states may differ in it
    count, alone = weights_R_P.sum(axis=1), weights_R_P @ ~several
    within = ratio(weights_R_P @ own, count - alone)
    of_means = (weights_R_P @ (own / states + noise / states**2) + within * alone) / count
    parts = (_variance(mean, weights_R_P) - of_means, within, weights_R_P @ (sums["single"] / states) / count)
    return np.maximum(np.stack(parts, axis=-1), 0.0)


def _variance(values_P: Array, weights_R_P: Array) -> Array:
    """(R,) the sample variance of values that count as often as their weights say."""
    count = weights_R_P.sum(axis=1)
    return (weights_R_P @ values_P**2 - (weights_R_P @ values_P) ** 2 / count) / (count - 1)


def _divisors(design: Design) -> Array:
    return np.array([1, design.states, design.states * design.continuations], dtype=float)


def _interval(value: float | Array, draws_R: Array, problems: int) -> Interval:
    low, high = percentile_interval(draws_R[None], 0.95, problems)
    return Interval(float(value), float(low[0]), float(high[0]))


def cost_of(measurement: Measurement) -> Cost:
    """The tokens that the build took for each problem with states and for each continuation, in the measured domain.

    What was written for problems that were not kept is shared by those that were. Continuations for `mcs-k` are not counted.
    """
    written, kept, continued = _tokens_by_problem(measurement)
    chosen = resampled_prompts(len(written), REPEATS, np.random.default_rng(derive_seed(0, "budget", "asked")))
    chosen, weights = (np.concatenate([np.ones((1, drawn.shape[1])), drawn]) for drawn in (chosen, _resamples(len(continued))))
    shared = ratio(chosen[:, ~kept] @ written[~kept], chosen[:, kept].sum(axis=1))
    tokens, continuations = (weights @ continued).T
    problem, *draws = np.column_stack([weights @ written[kept] / len(continued) + shared, tokens / continuations])
    return Cost(*problem.tolist(), np.array(draws))


def _tokens_by_problem(measurement: Measurement) -> tuple[Array, NDArray[np.bool_], Array]:
    """(P,) the tokens of all rollouts of each problem of the domain, sorted by its id, and whether it has states; and for those that do,
    (K, 2) the tokens and the number of their continuations."""
    folder = record(measurement.config)
    problems = read_table(folder, "problems")
    tables = ["screening", "rollouts"] + ["pool"] * bool(measurement.config["independent_pool"])
    rollouts = pd.concat(read_table(folder, name)[["problem_id", "token_ids"]] for name in tables)
    asked = np.sort(problems.loc[problems["domain"] == measurement.domain, "problem_id"])
    written = rollouts["token_ids"].map(len).groupby(rollouts["problem_id"]).sum().reindex(asked, fill_value=0)
    states = measurement.scores.drop_duplicates("state_id").set_index("state_id")["problem_id"]
    references = read_table(folder, "references").set_index("state_id").loc[states.index]
    continued = pd.DataFrame({"tokens": references["tokens"], "continuations": references["n"] + references["draws"].map(len)})
    return written.to_numpy(dtype=float), np.isin(asked, states), continued.groupby(states).sum().to_numpy(dtype=float)


def measure_budget(
    builds: Sequence[Mapping[str, Any]], redesign: Mapping[str, int], model: str = ""
) -> tuple[list[Measurement], Measurement]:
    """The builds, and the first of them in another design: with other `states`, `references` and, if it says so, `draws`.

    With a `model`, the first build is made with that model and the others are left out. Raises `Refused` as `measure` does; before a build
    is made, for one with a single state of each problem, and for a `redesign` that changes anything else or nothing; and for a first build
    of several domains.
    """
    if not {"states", "references"} <= set(redesign) <= {"states", "references", "draws"}:
        raise Refused(f"redesign holds states, references and, if you like, draws, not {', '.join(sorted(redesign)) or 'nothing'}")
    chosen = [BuildConfig.from_dict(build).to_dict() for build in chosen_builds(builds, model)]
    if any(build["states"] < 2 for build in chosen):
        raise Refused("builds: states must be two or more, or nothing shows how states of one problem differ")
    if Design.of(chosen[0]) == Design.of(redesign):
        raise Refused(f"redesign is {Design.of(redesign).label}, as the first build is; choose other states or references")
    if len(measure(chosen[:1], ESTIMATORS)) > 1:
        raise Refused("builds: the problems of the first are of several domains; choose one with its setting domain")
    return measure(chosen, ESTIMATORS), measure([{**chosen[0], **redesign}], ESTIMATORS)[0]


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
    """Of what was seen over what is foretold of the paper's design at the same cost."""


def foretell(measurement: Measurement, other: Measurement, variances: Variances, cost: Cost) -> Foretold:
    """Hold the standard error that `measurement`, of these variances and this cost, foretells for the design of `other` against the one
    that `other` shows.

    Both have the same rollouts and share states; what the ratio tests is what further states and other continuations do. Raises
    `Refused` where they kept different problems.
    """
    if set(measurement.scores["problem_id"]) != set(other.scores["problem_id"]):
        raise Refused(f"{measurement.name} in the other design kept other problems: its engine does not repeat its rollouts")
    here, there = (_sums_by_problem(each, variances.pair) for each in (measurement, other))
    problems, design = variances.problems, Design.of(other.config)
    if (there["states"] != design.states).any():
        raise Refused(f"{other.name} has problems with fewer than {design.states} states; set fewer in redesign")
    weights = np.concatenate([np.ones((1, problems)), _resamples(problems)])
    parts = _parts(here, weights)
    expected, papers = (np.sqrt((parts / _divisors(each)).sum(axis=1) / problems) for each in (design, PAPER))
    seen = np.sqrt(_variance(there["mean"], weights) / problems)
    found = (expected, seen, ratio(seen, expected), ratio(seen, papers) * np.sqrt(_with_draws(cost, design) / _with_draws(cost, PAPER)))
    return Foretold(variances.quantity, design, *(_interval(values[0], values[1:], problems) for values in found))


def _with_draws(cost: Cost, design: Design) -> Array:
    """(1 + R,) the tokens of a problem, and those of each draw."""
    return np.concatenate([[cost.of(design)], cost.drawn(design)])


def absolute_errors(measurement: Measurement) -> pd.DataFrame:
    """One row for each number of continuations: n, the MAE that estimators would show with it, the floor, and the difference of the first
    of `COMPARED` with its interval (`diff`, `diff_low`, `diff_high`).

    Fewer continuations than the build has are any of them: for each state the mean over all choices, which is hypergeometric. So the
    intervals are of these means, and those of a benchmark with so few continuations would be wider.
    """
    scores = measurement.scores
    wide = scores.pivot(index=["problem_id", "state_id", "reference", "n"], columns="estimator", values="estimate").reset_index()
    n = int(wide["n"].iloc[0])
    successes = np.rint(wide["reference"] * n).astype(int).to_numpy()
    resamples_R_P = resampled_prompts(wide["problem_id"].nunique(), REPEATS, np.random.default_rng(derive_seed(0, "absolute errors")))
    first, second = COMPARED[0]
    rows = []
    for fewer in (*(few for few in (5, 10, 20, 50, 100) if few < n), n):
        seen = np.arange(fewer + 1)
        chances_S_K = hypergeom.pmf(seen, n, successes[:, None], fewer)
        errors = {name: (chances_S_K * np.abs(wide[name].to_numpy()[:, None] - seen / fewer)).sum(axis=1) for name in ESTIMATORS}
        floor = float(chances_S_K.mean(axis=0) @ [oracle_floor(k, fewer) for k in seen])
        sums = pd.DataFrame({"difference": errors[first] - errors[second], "states": 1.0}).groupby(wide["problem_id"]).sum().to_numpy()
        draws_R_2 = resamples_R_P @ sums
        difference = _interval(sums[:, 0].sum() / sums[:, 1].sum(), draws_R_2[:, 0] / draws_R_2[:, 1], len(sums))
        ends = {"diff": difference.estimate, "diff_low": difference.low, "diff_high": difference.high}
        rows.append({"n": fewer, **{name: values.mean() for name, values in errors.items()}, "floor": floor, **ends})
    return pd.DataFrame(rows)


def readable_shares(measurement: Measurement, variances: Sequence[Variances]) -> Captioned:
    """Where the variance of each difference comes from, in the paper's design."""
    rows = [(v.quantity, *(share.text() for share in v.shares(PAPER).values())) for v in variances]
    caption = f"{measurement.size}. Shares of the variance in the paper's design, {PAPER.label} (states × continuations)."
    return Captioned(pd.DataFrame(rows, columns=["difference", *PARTS]), caption)


def readable_designs(measurement: Measurement, variances: Sequence[Variances], cost: Cost) -> Captioned:
    """What designs of equal cost do to the standard error."""
    rows = []
    for design in DESIGNS:
        if design.states <= measurement.config["group_size"]:
            problems = number_text(cost.of(PAPER) / cost.of(design), digits=2)
            errors = ["1" if design == PAPER else v.relative_error(design, cost).text() for v in variances]
            rows.append((design.label, problems, *errors))
    caption = (
        f"{measurement.name}. Standard errors of designs (states × continuations) of equal cost, over those of the paper's; a kept problem "
        f"costs {cost.problem:.0f} tokens and a continuation {cost.continuation:.0f}."
    )
    return Captioned(pd.DataFrame(rows, columns=["design", "problems", *(v.quantity for v in variances)]), caption)


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
    for name in (*ESTIMATORS, "floor"):
        shown[name] = [number_text(value) for value in table[name]]
    intervals = table[["diff", "diff_low", "diff_high"]].itertuples(index=False)
    shown[" − ".join(COMPARED[0])] = [Interval(*values).text(signed=True) for values in intervals]
    return Captioned(shown, f"{measurement.name}. Mean MAE over all choices of so many of the continuations of each state.")


def judge_foretold(measurement: Measurement, checks: Sequence[Foretold]) -> list[Finding]:
    """Whether standard errors in the design that was made are as foretold, up to `MARGIN`."""
    findings = []
    for check in checks:
        logarithm = Interval(*(float(np.log(value)) for value in (check.ratio.estimate, check.ratio.low, check.ratio.high)))
        claim = f"the standard error of {check.quantity} in {check.design.label} is as foretold, up to a factor of {MARGIN}"
        ours, word = f"seen / foretold {check.ratio.text()}", judge_zero(logarithm, float(np.log(MARGIN)))
        findings.append(Finding(claim, _setting(measurement), "no claim", ours, word))
    return findings


def judge_continuations(measurement: Measurement, variances: Sequence[Variances], cost: Cost) -> list[Finding]:
    """Whether fewer continuations of as many states tell more than the paper's at the same cost, and more continuations less.

    More states with as many continuations of a problem are no claim: where the parts of the variance hold, they never tell less.
    """
    findings = []
    for design, word, sign in ((FEWER, "more", -1), (MORE, "less", 1)):
        for v in variances:
            relative = v.relative_error(design, cost)
            excess = Interval(*(value - 1 for value in (relative.estimate, relative.low, relative.high)))
            claim = f"{design.label} (states × continuations) tells {v.quantity} {word} exactly than {PAPER.label} at the same cost"
            ours = f"ratio of standard errors {relative.text()}"
            findings.append(Finding(claim, _setting(measurement), "no claim", ours, judge_direction(sign, excess)))
    return findings


def _setting(measurement: Measurement) -> str:
    """With the size of groups, on which it depends what a problem costs."""
    return f"{measurement.name}, groups of {measurement.config['group_size']}"


def shown_numbers(variances: Variances, cost: Cost, check: Foretold, absolute: pd.DataFrame) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    fewest, most = absolute.iloc[0], absolute.iloc[-1]
    return {
        "quantity": variances.quantity,
        **{name: share.text() for name, share in variances.shares(PAPER).items()},
        "fewer": variances.relative_error(FEWER, cost).text(),
        "more": variances.relative_error(MORE, cost).text(),
        "design": check.design.label,
        "check": check.ratio.text(),
        "seen": check.relative.text(),
        **{"fewest": f"{fewest['n']:g}", "few": number_text(fewest["diff"], signed=True)},
        **{"most": f"{most['n']:g}", "many": number_text(most["diff"], signed=True)},
    }
