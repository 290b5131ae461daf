"""How far a conclusion moves when the benchmark is drawn again: other problems, other answers, other references.

An interval of this book resamples the problems of one draw. If it is honest, several draws differ from each other by no more than their
intervals say. For K draws of a quantity, x with standard errors s, the variance ratio is var(x) / mean(s^2): 1 where intervals are
right, above where they are too narrow; K - 1 times it is about chi-square with K - 1 degrees of freedom (Cochran, 1954).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm, t

from hista_repro.artifacts.comparisons import error_difference, gain_left
from hista_repro.artifacts.measurements import Measurement, measure
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.sveb import record
from hista_repro.sveb.records import read_table

COMPARED = (
    ("numca", "group-mean"),
    ("numca-loo", "loo-mean"),
    ("hista", "group-mean"),
    ("hista-loo", "loo-mean"),
    ("hista-loo", "prefix-tree-loo"),
)
"""An estimator, and what its error is compared with."""
METHODS = {"numca": "numca-loo", "hista": "hista-loo"}
"""A published method -> its form without the own outcome, for the share of the gain that is left."""
ERRORS = {"mae": "MAE", "mse": "corrected MSE"}
_LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """One quantity, measured on K draws."""

    quantity: str
    draws: tuple[Interval, ...]
    problems: tuple[int, ...]
    """(K,) over how many problems the interval of each draw is."""
    neutral: float = 0.0
    """The value that favours neither side: a draw decides where its interval leaves it out."""

    @cached_property
    def mean(self) -> Interval:
        """The mean of the draws, with the interval that their standard errors give it."""
        half = norm.ppf((1 + _LEVEL) / 2) * np.sqrt((self._errors_K**2).sum()) / len(self.draws)
        centre = float(self._values_K.mean())
        return Interval(centre, centre - half, centre + half)

    @cached_property
    def ratio(self) -> Interval:
        """The variance between draws over the mean of their squared standard errors."""
        freedom = len(self.draws) - 1
        ratio = float(self._values_K.var(ddof=1) / (self._errors_K**2).mean())
        low, high = (freedom * ratio / chi2.ppf(share, freedom) for share in ((1 + _LEVEL) / 2, (1 - _LEVEL) / 2))
        return Interval(ratio, float(low), float(high))

    @property
    def ratio_text(self) -> str:
        ratio, low, high = (number_text(value, digits=1) for value in (self.ratio.estimate, self.ratio.low, self.ratio.high))
        return f"{ratio} [{low}, {high}]"

    @property
    def held(self) -> int:
        """How many draws have an interval that holds the mean of the others."""
        others_K = (self._values_K.sum() - self._values_K) / (len(self.draws) - 1)
        return sum(draw.low <= other <= draw.high for draw, other in zip(self.draws, others_K, strict=True))

    @property
    def decided(self) -> tuple[int, int]:
        """How many draws lie below the neutral value, and how many above, with their whole interval."""
        return sum(draw.high < self.neutral for draw in self.draws), sum(draw.low > self.neutral for draw in self.draws)

    @property
    def _values_K(self) -> np.ndarray:
        return np.array([draw.estimate for draw in self.draws])

    @property
    def _errors_K(self) -> np.ndarray:
        """Standard errors, from the widths of intervals that match Student's (`sveb.bootstrap.percentile_interval`)."""
        widths_K = np.array([draw.high - draw.low for draw in self.draws])
        return widths_K / (2 * t.ppf((1 + _LEVEL) / 2, np.array(self.problems) - 1))


def measure_draws(build: Mapping[str, Any], seeds: Sequence[int], model: str = "") -> list[Measurement]:
    """One draw of the benchmark for each seed, which takes the place of that of `build`; with a `model`, of that model.

    Raises `Refused` for fewer than two seeds, for one that is there twice, and for a build of several domains.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise Refused(f"seeds must be two or more, each once, not {list(seeds)}")
    asked = dict.fromkeys(name for pair in COMPARED for name in pair)
    draws = [measure([{**build, "seed": seed}], list(asked), model) for seed in seeds]
    if len(draws[0]) > 1:
        raise Refused(f"build: its problems are of {len(draws[0])} domains; choose one with its setting domain")
    return [measurement for (measurement,) in draws]


def drawn_twice(draws: Sequence[Measurement]) -> tuple[int, int]:
    """How many problems that were kept are in more than one draw, and how many there are, each counted once."""
    texts = pd.concat([_kept_problems(draw) for draw in draws]).value_counts()
    return int((texts > 1).sum()), len(texts)


def spread_of_errors(draws: Sequence[Measurement], error: str) -> list[Spread]:
    """The differences of `COMPARED` in "mae" or "mse" (corrected), without estimators that give the same values on some draw."""
    spreads = []
    for estimator, against in COMPARED:
        differences = [error_difference(draw, estimator, against, error) for draw in draws]
        if all(difference.low < difference.high for difference in differences):
            spreads.append(_spread(f"{estimator} − {against}", differences, draws))
    return spreads


def spread_of_shares(draws: Sequence[Measurement]) -> list[Spread]:
    """The share of each method's gain that is left without the own outcome (`comparisons.gain_left`), over the draws that show a gain;
    a method of which fewer than two do is left out."""
    spreads = []
    for method, left in METHODS.items():
        found = [(draw, share) for draw in draws if (share := gain_left(draw, method, left))]
        if len(found) > 1:
            spreads.append(_spread(f"share of {method} left", [share for _, share in found], [draw for draw, _ in found], neutral=1.0))
    return spreads


def readable_spread(spreads: Sequence[Spread], caption: str) -> Captioned:
    """Each quantity: the mean of its draws, what single draws said, and whether they differ by more than their intervals say."""
    rows = []
    for spread in spreads:
        values, (below, above), number = [draw.estimate for draw in spread.draws], spread.decided, len(spread.draws)
        signed = spread.neutral == 0
        single = f"{number_text(min(values), signed=signed)} to {number_text(max(values), signed=signed)}"
        told = (f"{below}, {above}", f"{spread.held} of {number}", spread.ratio_text)
        rows.append((spread.quantity, spread.mean.text(signed=signed), single, *told))
    columns = ["quantity", "mean of draws", "single draws", "below, above", "held", "variance ratio"]
    return Captioned(pd.DataFrame(rows, columns=columns), caption)


def judge_spread(spreads: Sequence[Spread], setting: str, error: str) -> list[Finding]:
    """Whether draws differ by more than their intervals say, which would make these too narrow. `error` says what is measured."""
    findings = []
    for spread in spreads:
        excess = Interval(*(value - 1 for value in (spread.ratio.estimate, spread.ratio.low, spread.ratio.high)))
        claim = f"draws of {spread.quantity} in {error} differ by more than their intervals say"
        findings.append(Finding(claim, setting, "no claim", f"variance ratio {spread.ratio_text}", judge_direction(1, excess)))
    return findings


def opposite(spreads: Sequence[Spread]) -> list[str]:
    """The quantities that one draw decides one way and another draw the other way."""
    return [spread.quantity for spread in spreads if all(spread.decided)]


def size_of(draws: Sequence[Measurement]) -> str:
    """How much was measured."""
    states, problems = ([draw.scores[name].nunique() for draw in draws] for name in ("state_id", "problem_id"))
    references = draws[0].config["references"]
    return (
        f"{len(draws)} draws of {draws[0].name}: {min(states)} to {max(states)} states of {min(problems)} to {max(problems)} problems, "
        f"{references} continuations each"
    )


def shown_numbers(draws: Sequence[Measurement], errors: Mapping[str, Sequence[Spread]], shares: Sequence[Spread]) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    every = [*(spread for spreads in errors.values() for spread in spreads), *shares]
    again, problems = drawn_twice(draws)
    shown = {"setting": draws[0].name, "draws": str(len(draws)), "again": str(again), "problems": str(problems)}
    shown["held"] = f"{sum(spread.held for spread in every)} of {sum(len(spread.draws) for spread in every)}"
    shown["narrow"] = f"{sum(spread.ratio.low > 1 for spread in every)} of {len(every)}"
    shown["expected"] = f"{2 * norm.cdf(norm.ppf((1 + _LEVEL) / 2) / np.sqrt(1 + 1 / (len(draws) - 1))) - 1:.0%}"
    shown["opposite"] = str(sum(len(opposite(spreads)) for spreads in (*errors.values(), shares)))
    for method in METHODS:
        share = next((spread for spread in shares if spread.quantity == f"share of {method} left"), None)
        shown[f"{method}_left"] = "not measured" if share is None else share.mean.text()
    return shown


def _spread(quantity: str, intervals: Sequence[Interval], draws: Sequence[Measurement], neutral: float = 0.0) -> Spread:
    return Spread(quantity, tuple(intervals), tuple(draw.scores["problem_id"].nunique() for draw in draws), neutral)


def _kept_problems(draw: Measurement) -> pd.Series:
    problems = read_table(record(draw.config), "problems")
    return problems.loc[problems["kept"], "problem"]
