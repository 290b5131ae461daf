"""How far a conclusion moves when the benchmark is drawn again: other problems, other answers, other references.

An interval of this book resamples the problems of one draw. If it is honest, several draws differ from each other by no more than their
intervals say. For K draws of a quantity, x with standard errors s, the variance ratio is var(x) / mean(s^2): 1 where intervals are
right, above where they are too narrow. K - 1 times it, over the true ratio, is about chi-square with K - 1 degrees of freedom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm, t

from hista_repro.artifacts.comparisons import error_difference, gain_left
from hista_repro.artifacts.gain_shares import LEAVE_ONE_OUT, NO_GAIN
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
ERRORS = {"mae": "MAE", "mse": "corrected MSE"}
_LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """One quantity, measured on K draws."""

    quantity: str
    draws: tuple[Interval, ...]
    problems: tuple[int, ...]
    """(K,) over how many problems the interval of each draw is."""

    @cached_property
    def mean(self) -> Interval:
        """The mean of the draws, with the interval that their standard errors give it."""
        half = norm.ppf((1 + _LEVEL) / 2) * np.sqrt((self._errors_K**2).sum()) / len(self.draws)
        centre = float(self._values_K.mean())
        return Interval(centre, centre - half, centre + half)

    @cached_property
    def ratio(self) -> Interval:
        """The variance between draws over the mean of their squared standard errors, with its 95% interval for normal errors."""
        freedom = len(self.draws) - 1
        ratio = float(self._values_K.var(ddof=1) / (self._errors_K**2).mean())
        low, high = (freedom * ratio / chi2.ppf(share, freedom) for share in ((1 + _LEVEL) / 2, (1 - _LEVEL) / 2))
        return Interval(ratio, float(low), float(high))

    @property
    def ratio_text(self) -> str:
        ratio, low, high = (number_text(value, digits=2) for value in (self.ratio.estimate, self.ratio.low, self.ratio.high))
        return f"{ratio} [{low}, {high}]"

    @property
    def held(self) -> int:
        """How many draws have an interval that holds the mean of the others."""
        others_K = (self._values_K.sum() - self._values_K) / (len(self.draws) - 1)
        return sum(draw.low <= other <= draw.high for draw, other in zip(self.draws, others_K, strict=True))

    @property
    def expected_to_hold(self) -> float:
        """The share of intervals that hold the mean of the others where intervals are right and draws independent."""
        freedoms_K = np.array(self.problems) - 1
        wider = np.sqrt(1 + 1 / (len(self.draws) - 1))
        return float((2 * t.cdf(t.ppf((1 + _LEVEL) / 2, freedoms_K) / wider, freedoms_K) - 1).mean())

    @property
    def decided(self) -> tuple[int, int]:
        """How many draws lie below zero, and how many above, with their whole interval."""
        return sum(draw.high < 0 for draw in self.draws), sum(draw.low > 0 for draw in self.draws)

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

    Raises `Refused` for fewer than two seeds, for one that is there twice, and unless the problems of all draws are of one domain.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise Refused(f"build_seeds must be two or more, each once, not {list(seeds)}")
    asked = dict.fromkeys(name for pair in COMPARED for name in pair)
    draws: list[Measurement] = []
    for seed in seeds:
        draws += measure([{**build, "seed": seed}], list(asked), model)
        if len(domains := dict.fromkeys(draw.domain for draw in draws)) > 1:
            raise Refused(f"build: its problems are of the domains {', '.join(domains)}; choose one with its setting domain")
    return draws


def drawn_twice(draws: Sequence[Measurement]) -> tuple[int, int]:
    """How many problems that were kept are in more than one draw, and how many there are, each counted once."""
    texts = pd.concat([_kept_problems(draw).drop_duplicates() for draw in draws]).value_counts()
    return int((texts > 1).sum()), len(texts)


def spread_of_errors(draws: Sequence[Measurement], error: str) -> list[Spread]:
    """The differences of `COMPARED` in "mae" or "mse" (corrected), without estimators that give the same values on some draw."""
    problems = tuple(draw.scores["problem_id"].nunique() for draw in draws)
    spreads = []
    for estimator, against in COMPARED:
        differences = tuple(error_difference(draw, estimator, against, error) for draw in draws)
        if all(difference.low < difference.high for difference in differences):
            spreads.append(Spread(f"{estimator} − {against}", differences, problems))
    return spreads


def together(draws: Sequence[Measurement]) -> Measurement:
    """All draws as one measurement: a problem of two draws is two problems."""
    parts = []
    for draw in draws:
        seed = draw.config["seed"]
        renamed = {name: f"{seed}: " + draw.scores[name] for name in ("problem_id", "state_id")}
        parts.append(draw.scores.assign(**renamed))
    return replace(draws[0], scores=pd.concat(parts, ignore_index=True))


def readable_shares(draws: Sequence[Measurement]) -> Captioned:
    """The share of each method's gain that is left without the own outcome: of all draws together, and in those that show a gain."""
    rows = []
    for method, left in LEAVE_ONE_OUT.items():
        single = [share.estimate for draw in draws if (share := gain_left(draw, method, left))]
        several = f"{number_text(min(single))} to {number_text(max(single))}" if single else "–"
        rows.append((method, _share_left(draws, method), several, f"{len(single)} of {len(draws)}"))
    columns = ["method", "all draws together", "single draws", "that show a gain"]
    return Captioned(pd.DataFrame(rows, columns=columns), "Share of the gain in MAE that is left without the own outcome.")


def readable_spread(spreads: Sequence[Spread], caption: str) -> Captioned:
    """Each quantity: the mean of its draws, what single draws said, and whether they differ by more than their intervals say."""
    rows = []
    for spread in spreads:
        values, (below, above), number = [draw.estimate for draw in spread.draws], spread.decided, len(spread.draws)
        single = f"{number_text(min(values), signed=True)} to {number_text(max(values), signed=True)}"
        told = (f"{below}, {above}", f"{spread.held} of {number}", spread.ratio_text)
        rows.append((spread.quantity, spread.mean.text(signed=True), single, *told))
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


def shown_numbers(draws: Sequence[Measurement], errors: Mapping[str, Sequence[Spread]]) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    every = [spread for spreads in errors.values() for spread in spreads]
    again, problems = drawn_twice(draws)
    shown = {"setting": draws[0].name, "draws": str(len(draws)), "again": str(again), "problems": str(problems)}
    shown["held"] = f"{sum(spread.held for spread in every)} of {sum(len(spread.draws) for spread in every)}"
    shown["expected"] = f"{np.mean([spread.expected_to_hold for spread in every]):.0%}"
    shown["narrow"] = f"{sum(spread.ratio.low > 1 for spread in every)} of {len(every)}"
    shown["by_chance"] = number_text(len(every) * (1 - _LEVEL) / 2, digits=2)
    shown["power"] = f"{chance_to_see(2, len(draws)):.0%}"
    shown["opposite"] = str(sum(len(opposite(spreads)) for spreads in errors.values()))
    return shown | {f"{method}_left": _share_left(draws, method) for method in LEAVE_ONE_OUT}


def chance_to_see(ratio: float, draws: int) -> float:
    """How likely the interval of a variance ratio lies above 1 where the true one is `ratio`."""
    return float(chi2.sf(chi2.ppf((1 + _LEVEL) / 2, draws - 1) / ratio, draws - 1))


def _share_left(draws: Sequence[Measurement], method: str) -> str:
    share = gain_left(together(draws), method, LEAVE_ONE_OUT[method])
    return NO_GAIN if share is None else share.text()


def _kept_problems(draw: Measurement) -> pd.Series:
    problems = read_table(record(draw.config), "problems")
    return problems.loc[problems["kept"], "problem"]
