"""What the values of states do to the policy gradient: how noisy it is, and where it points.

All is about one problem at a time: the mean over groups of rollouts is the gradient of its expected reward, and what one group adds to it
is noise. Numbers are ratios of means over problems.

With a share c of the values subtracted the gradient is (1 - c) times that without a baseline and c times that with the values, so that its
noise is a parabola in c, and the share with the least noise follows from three numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.group_gradients import NOTHING, gradient_table
from hista_repro.artifacts.kept_tables import kept_table
from hista_repro.artifacts.measurements import REPEATS, chosen_builds
from hista_repro.artifacts.ratios import ratio
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts

REFERENCE = "loo-mean"
"""The estimator whose gradient others are compared with: unbiased, and the simplest."""
LEAVE_ONE_OUT = {"numca": "numca-loo", "hista": "hista-loo"}
"""Published form -> the form that a rollout's own outcome does not enter."""
UNBIASED = ("prefix-tree-loo", "numca-loo", "hista-loo")
"""What is compared with `REFERENCE`."""
MARGIN = 0.05
"""By what part of its square a mean gradient may be off and still count as the same."""
_FEWEST = 2
"""Problems without which there is no interval."""


@dataclass(frozen=True)
class Gradients:
    """The gradients of P problems under the estimators of `table` (`group_gradients.gradient_table`)."""

    name: str
    """Model and problems, short."""
    config: Mapping[str, Any]
    """The settings of the build (`sveb.BuildConfig`)."""
    size: int
    """Rollouts of a group."""
    table: pd.DataFrame = field(repr=False)

    @property
    def description(self) -> str:
        groups = self.config["group_size"] // self.size
        return f"{self.name}: {self.problems} problems with {groups} groups of {self.size} rollouts"

    @property
    def problems(self) -> int:
        return self.table["problem_id"].nunique()

    def noise(self, estimator: str, share: float = 1.0) -> Interval:
        """The noise with a share of the values subtracted, over that of `REFERENCE`."""
        return self._interval(ratio(self._noise(estimator, share), self._of("noise", REFERENCE)))

    def best_share(self, estimator: str) -> Interval:
        """The share of the values with which the gradient has the least noise."""
        return self._interval(self._best(estimator))

    def least_noise(self, estimator: str) -> Interval:
        """The noise with that share, over that of `REFERENCE`."""
        return self._interval(ratio(self._noise(estimator, self._best(estimator)), self._of("noise", REFERENCE)))

    def along(self, estimator: str) -> Interval:
        """How long the mean gradient is in the direction of the true one, over the length of that."""
        return self._interval(ratio(self._of("along", estimator), self._of("signal", REFERENCE)))

    def off(self, estimator: str) -> Interval:
        """The squared distance of the mean gradient from the true one, over the square of that; an estimate may be below 0."""
        signal = self._of("signal", REFERENCE)
        return self._interval(ratio(self._of("signal", estimator) - 2 * self._of("along", estimator) + signal, signal))

    def needed(self, estimator: str, against: str = REFERENCE) -> Interval:
        """How many rollouts tell the step along the true gradient as exactly as one with `against`."""
        ours, theirs = (ratio(self._of("noise", name), self._of("along", name) ** 2) for name in (estimator, against))
        return self._interval(ratio(ours, theirs))

    def error(self, estimator: str) -> Interval:
        """The corrected squared error of the values in groups of this size."""
        return self._interval(ratio(self._of("error", estimator), self._of("states", estimator)))

    def surprise(self) -> Interval:
        """How many times as far an answer without a reward can move the policy as one that has it: mean `GroupGradients.powers` of both."""
        right, rollouts = self._of("right", NOTHING), self._of("rollouts", NOTHING)
        return self._interval(ratio(self._of("power_wrong", NOTHING) * right, self._of("power_right", NOTHING) * (rollouts - right)))

    def _noise(self, estimator: str, share: float | Array) -> Array:
        without, both, values = self._of("noise", NOTHING), self._of("shared", estimator), self._of("noise", estimator)
        return (1 - share) ** 2 * without + 2 * share * (1 - share) * both + share**2 * values

    def _best(self, estimator: str) -> Array:
        without, both, values = self._of("noise", NOTHING), self._of("shared", estimator), self._of("noise", estimator)
        return ratio(without - both, without - 2 * both + values)

    def _of(self, column: str, estimator: str) -> Array:
        """(1 + R,) the mean over problems, and its draws."""
        return self._means[column][estimator]

    @cached_property
    def _means(self) -> dict[str, dict[str, Array]]:
        resamples_R_P = resampled_prompts(self.problems, REPEATS, np.random.default_rng(derive_seed(0, "gradients")))
        weights = np.concatenate([np.ones((1, self.problems)), resamples_R_P]) / self.problems
        wide = self.table.pivot(index="problem_id", columns="estimator")
        columns = ("noise", "shared", "signal", "along", "error", "states", "rollouts", "right", "power_right", "power_wrong")
        return {column: {name: weights @ wide[column][name].to_numpy(float) for name in wide[column]} for column in columns}

    def _interval(self, values: Array) -> Interval:
        low, high = percentile_interval(values[None, 1:], 0.95, self.problems)
        return Interval(float(values[0]), float(low[0]), float(high[0]))


def measure_gradients(build: Mapping[str, Any], size: int, problems: int, model: str = "") -> Gradients:
    """The gradients of the first so many problems of a build, in groups of `size` rollouts; with a `model`, of that model.

    Raises `Refused` for fewer than two problems, and as `group_gradients.gradient_table` does.
    """
    benchmark = Benchmark(record(chosen_builds([build], model)[0]))
    if min(problems, len(benchmark)) < _FEWEST:
        raise Refused(f"problems is {problems}, of {len(benchmark)} that were kept; intervals need {_FEWEST} or more")
    if size < _FEWEST:
        raise Refused(f"size is {size}, and estimators compare rollouts of a group; it must be {_FEWEST} or more")
    estimators = [get_estimator(name) for name in (REFERENCE, *UNBIASED, *LEAVE_ONE_OUT)]
    config = benchmark.config.to_dict()
    name = " on ".join(str(config[what]).rsplit("/", 1)[-1] for what in ("model", "problems"))
    return Gradients(name, config, size, kept_table(gradient_table, benchmark, estimators, size, problems))


def readable_noise(gradients: Gradients) -> Captioned:
    """The noise with each baseline, and with the best share of it, beside the error of its values."""
    rows = [(NOTHING, "–", gradients.noise(NOTHING).text(), "–", "–")]
    for name in (REFERENCE, *UNBIASED):
        noise = "1" if name == REFERENCE else gradients.noise(name).text()
        rows.append((name, gradients.error(name).text(), noise, gradients.best_share(name).text(), gradients.least_noise(name).text()))
    columns = ["baseline", "corrected MSE", "noise", "best share", "noise with it"]
    return Captioned(pd.DataFrame(rows, columns=columns), f"{gradients.description}. Noise over that with {REFERENCE}.")


def readable_means(gradients: Gradients) -> Captioned:
    """Where mean gradients point, and what that leaves of a smaller noise."""
    rows = [
        (name, *(quantity(name).text() for quantity in (gradients.noise, gradients.along, gradients.off, gradients.needed)))
        for name in (*UNBIASED, *LEAVE_ONE_OUT)
    ]
    columns = ["baseline", "noise", "along", "off", "rollouts needed"]
    return Captioned(pd.DataFrame(rows, columns=columns), f"{gradients.description}. All relative to {REFERENCE}.")


def judge_gradients(gradients: Gradients) -> list[Finding]:
    """Whether better values give less noise, and whether mean gradients are bent."""
    found = [
        (f"the gradient is less noisy with the values of {REFERENCE} than without a baseline", _minus_one(gradients.noise(NOTHING)), 1)
    ]
    for name in UNBIASED:
        found.append(
            (f"the gradient is less noisy with the values of {name} than with those of {REFERENCE}", _minus_one(gradients.noise(name)), -1)
        )
    for name in LEAVE_ONE_OUT:
        found.append((f"{name} bends or shrinks the mean gradient", gradients.off(name), 1))
    for name, left in LEAVE_ONE_OUT.items():
        claim = f"{name} needs fewer rollouts than {left} for the same step along the gradient"
        found.append((claim, _minus_one(gradients.needed(name, left)), -1))
    findings = [_finding(claim, gradients, measured, judge_direction(sign, measured)) for claim, measured, sign in found]
    for name in UNBIASED:
        off = gradients.off(name)
        claim = f"the mean gradient with {name} is that with {REFERENCE}, up to {MARGIN:.0%} of its square"
        findings.append(_finding(claim, gradients, off, judge_zero(off, MARGIN)))
    return findings


def shown_numbers(gradients: Gradients) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    shown = {"setting": gradients.name, "nothing": gradients.noise(NOTHING).text(), "share": gradients.best_share(REFERENCE).text()}
    for name in UNBIASED:
        key = name.partition("-")[0]
        shown |= {f"{key}_noise": gradients.noise(name).text(), f"{key}_error": number_text(gradients.error(name).estimate)}
        shown |= {f"{key}_share": gradients.best_share(name).text(), f"{key}_least": gradients.least_noise(name).text()}
    for name in LEAVE_ONE_OUT:
        shown |= {f"{name}_{what}": getattr(gradients, what)(name).text() for what in ("along", "off", "needed")}
        shown[f"{name}_published_noise"] = gradients.noise(name).text()
    shown["surprise"] = gradients.surprise().text()
    return shown | {"error": number_text(gradients.error(REFERENCE).estimate), "least": gradients.least_noise(REFERENCE).text()}


def _minus_one(ratio: Interval) -> Interval:
    return Interval(ratio.estimate - 1, ratio.low - 1, ratio.high - 1)


def _finding(claim: str, gradients: Gradients, measured: Interval, word: Any) -> Finding:
    return Finding(claim, gradients.name, "implied" if "less noisy" in claim else "no claim", measured.text(signed=True), word)
