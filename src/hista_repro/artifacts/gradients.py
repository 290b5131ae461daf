"""What the values of states do to the policy gradient: how noisy it is, and where it points.

All is about one problem at a time. With unbiased values the mean over groups is the gradient of the problem's expected reward, and what one
group adds to it is noise. Numbers are ratios of means over problems.

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
from hista_repro.artifacts.gain_shares import LEAVE_ONE_OUT
from hista_repro.artifacts.group_gradients import BINS, NOTHING, adapted, gradient_table, power_table
from hista_repro.artifacts.kept_tables import kept_table
from hista_repro.artifacts.measurements import REPEATS, chosen_builds
from hista_repro.artifacts.ratios import ratio
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import FEW, Array, percentile_interval, resampled_prompts

REFERENCE = "loo-mean"
"""The estimator whose gradient others are compared with: unbiased, and the simplest."""
OF_VALUES = ("prefix-tree-loo", "numca-loo", "hista-loo")
"""Unbiased estimators of values."""
FOR_NOISE = ("otb-loo", "loo-share")
"""Unbiased baselines that are made for little noise, and not for values."""
PUBLISHED = {**LEAVE_ONE_OUT, "otb": "otb-loo"}
"""Baselines that hold the own reward -> the same without it."""
VALUES = "numca-loo"
"""The estimator by whose values states are told apart to see how much actions there can move the policy; it reads text alone."""
MARGIN = 0.05
"""By what part of its square a mean gradient may be off and still count as the same."""
_UNSURE = 0.01
"""Share of resamples."""
_UNKNOWN = "too noisy to tell"


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
    powers: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    """`group_gradients.power_table` of `VALUES` on the same problems, where it was asked for."""

    @property
    def description(self) -> str:
        groups = self.config["group_size"] // self.size
        return f"{self.name}: {self.problems} problems with {groups} groups of {self.size} rollouts"

    @property
    def problems(self) -> int:
        return self.table["problem_id"].nunique()

    def noise(self, estimator: str, share: float = 1.0, against: str = REFERENCE) -> Interval:
        """The noise with a share of the values subtracted, over that of another estimator."""
        without, both, values = self._three(estimator)
        noise = (1 - share) ** 2 * without + 2 * share * (1 - share) * both + share**2 * values
        return self._interval(ratio(noise, self._of("noise", against)))

    def noise_with_problems(self, estimator: str) -> Interval:
        """The noise over that of `REFERENCE` where the problem is drawn, too, whose gradients then add at most their squared norm."""
        added = self._of("signal", REFERENCE)
        return self._interval(ratio(self._of("noise", estimator) + added, self._of("noise", REFERENCE) + added))

    def best_share(self, estimator: str) -> Interval:
        """The share of the values with which the gradient has the least noise."""
        without, both, values = self._three(estimator)
        return self._interval(ratio(without - both, without - 2 * both + values))

    def along(self, estimator: str) -> Interval:
        """How far the mean gradient reaches in the direction of the true one, over the length of that."""
        return self._interval(ratio(self._of("along", estimator), self._of("signal", REFERENCE)))

    def off(self, estimator: str) -> Interval:
        """The squared distance of the mean gradient from the true one, over the square of that; an estimate may be below 0."""
        signal = self._of("signal", REFERENCE)
        return self._interval(ratio(self._of("signal", estimator) - 2 * self._of("along", estimator) + signal, signal))

    def bent(self, estimator: str) -> Interval:
        """What is left of `off` where the true gradient is scaled to fit, by one factor for all problems: no step size makes up for it."""
        signal = self._of("signal", REFERENCE)
        return self._interval(ratio(self._of("signal", estimator), signal) - ratio(self._of("along", estimator), signal) ** 2)

    def needed(self, estimator: str, against: str = REFERENCE) -> Interval | None:
        """How many times the rollouts of `against` give the same step along the true gradient with as little noise in all.

        None where so much noise is left that one of the two might not reach in that direction at all.
        """
        draws = self.needed_draws(estimator, against)
        return None if draws is None else self._interval(draws)

    def needed_draws(self, estimator: str, against: str = REFERENCE) -> Array | None:
        """(1 + R,) what `needed` is the interval of."""
        if any((self._of("along", name) <= 0).mean() > _UNSURE for name in (estimator, against)):
            return None
        ours, theirs = (ratio(self._of("noise", name), self._of("along", name) ** 2) for name in (estimator, against))
        return ratio(ours, theirs)

    def error(self, estimator: str, against: str = "") -> Interval:
        """The corrected squared error of the values in groups of this size, minus that of another estimator."""
        errors = self._of("error", estimator) - (self._of("error", against) if against else 0.0)
        return self._interval(ratio(errors, self._of("states", estimator)))

    def by_value(self) -> pd.DataFrame:
        """One row for each bin of values that has actions: share of the actions, mean value, and two means of the reward with intervals.

        `reward`: each action counts alike. `weighted`: it counts by how much it can move the policy.
        """
        wide = self.powers.pivot(index="problem_id", columns="bin").fillna(0.0)
        every = wide["actions"].to_numpy().sum()
        rows = []
        for place in wide["actions"].columns:
            sums = {name: self._weights @ wide[name][place].to_numpy() for name in ("actions", "value", "reward", "power", "power_reward")}
            rows.append(
                {
                    "bin": place,
                    "actions": wide["actions"][place].sum() / every,
                    "value": float(ratio(sums["value"], sums["actions"])[0]),
                    "reward": self._interval(ratio(sums["reward"], sums["actions"])),
                    "weighted": self._interval(ratio(sums["power_reward"], sums["power"])),
                }
            )
        return pd.DataFrame(rows)

    def _three(self, estimator: str) -> tuple[Array, Array, Array]:
        return self._of("noise", NOTHING), self._of("shared", estimator), self._of("noise", estimator)

    def _of(self, column: str, estimator: str) -> Array:
        """(1 + R,) the mean over problems, and its draws."""
        return self._means[column][estimator]

    @cached_property
    def _weights(self) -> Array:
        """(1 + R, P) how much each problem counts: alike, and as often as it is drawn."""
        resamples_R_P = resampled_prompts(self.problems, REPEATS, np.random.default_rng(derive_seed(0, "gradients")))
        return np.concatenate([np.ones((1, self.problems)), resamples_R_P]) / self.problems

    @cached_property
    def _means(self) -> dict[str, dict[str, Array]]:
        wide = self.table.pivot(index="problem_id", columns="estimator")
        columns = ("noise", "shared", "signal", "along", "error", "states")
        return {column: {name: self._weights @ wide[column][name].to_numpy(float) for name in wide[column]} for column in columns}

    def _interval(self, values: Array) -> Interval:
        low, high = percentile_interval(values[None, 1:], 0.95, self.problems)
        return Interval(float(values[0]), float(low[0]), float(high[0]))


def measure_gradients(build: Mapping[str, Any], size: int, problems: int, model: str = "") -> Gradients:
    """The gradients of the first so many problems of a build, in groups of `size` rollouts; with a `model`, of that model.

    Raises `Refused` for fewer problems than an interval needs, where their mean gradients cannot be told from noise at all, and as
    `group_gradients.gradient_table` does.
    """
    benchmark = Benchmark(record(chosen_builds([build], model)[0]))
    if (there := min(problems, len(benchmark))) < FEW:
        raise Refused(
            f"{there} problems are too few for intervals of ratios; set problems and the build's limit so that {FEW} or more are kept"
        )
    if size < 2:
        raise Refused(f"size is {size}, and estimators compare the rollouts of a group; it must be two or more")

    def estimator_of(name: str) -> Estimator:
        return adapted(get_estimator(name), benchmark.config.model, benchmark.config.max_tokens)

    estimators = [estimator_of(name) for name in (REFERENCE, *OF_VALUES, *FOR_NOISE, *PUBLISHED)]
    table = kept_table(gradient_table, benchmark, estimators, size, problems)
    if table.loc[table["estimator"] == REFERENCE, "signal"].mean() <= 0 or not table["states"].any():
        raise Refused(f"the gradients of {there} problems in groups of {size} rollouts are nothing but noise; measure more problems")
    config = benchmark.config.to_dict()
    name = " on ".join(str(config[what]).rsplit("/", 1)[-1] for what in ("model", "problems"))
    powers = kept_table(power_table, benchmark, estimator_of(VALUES), problems)
    return Gradients(name, config, size, table, powers)


def readable_noise(gradients: Gradients) -> Captioned:
    """The noise with each baseline, beside the error of its values."""
    rows = []
    for name in (NOTHING, REFERENCE, *OF_VALUES, *FOR_NOISE):
        alone, with_problems = (
            ("1", "1") if name == REFERENCE else (gradients.noise(name).text(), gradients.noise_with_problems(name).text())
        )
        rows.append(
            (name, gradients.error(name).text(), alone, with_problems, "–" if name == NOTHING else gradients.best_share(name).text())
        )
    columns = ["baseline", "corrected MSE", "noise", "with problems", "best share"]
    return Captioned(pd.DataFrame(rows, columns=columns), f"{gradients.description}. Noise over that with {REFERENCE}.")


def readable_values(gradients: Gradients) -> Captioned:
    """The mean reward by the value of a state, each action counted alike and by how much it can move the policy."""
    rows = []
    for row in gradients.by_value().itertuples():
        ends = f"{BINS[row.bin]:g} to {BINS[row.bin + 1]:g}"
        rows.append((ends, f"{row.actions:.0%}", number_text(row.value), row.reward.text(), row.weighted.text()))
    caption = f"{gradients.name}. States by their value as {VALUES} gives it from all {gradients.config['group_size']} answers."
    return Captioned(pd.DataFrame(rows, columns=["value", "actions", "mean value", "mean reward", "weighted mean reward"]), caption)


def readable_means(gradients: Gradients) -> Captioned:
    """Where mean gradients point, and what that leaves of a smaller noise."""
    measured = (gradients.noise, gradients.along, gradients.off, gradients.bent)
    rows = [
        (name, *(quantity(name).text() for quantity in measured), _text(gradients.needed(name)))
        for name in (NOTHING, *OF_VALUES, *FOR_NOISE, *PUBLISHED)
    ]
    columns = ["baseline", "noise", "along", "off", "bent", "rollouts needed"]
    return Captioned(pd.DataFrame(rows, columns=columns), f"{gradients.description}. All relative to {REFERENCE}.")


def judge_gradients(gradients: Gradients) -> list[Finding]:
    """Whether baselines, and values of smaller error, give less noise, and whether mean gradients are off.

    Where values have no smaller error than those of `REFERENCE`, their noise says nothing about errors.
    """
    claim = f"the gradient is less noisy with the values of {REFERENCE} than without a baseline"
    findings = [_below_one(claim, gradients, gradients.noise(REFERENCE, against=NOTHING))]
    for name in OF_VALUES:
        claim = f"the values of {name} err less than those of {REFERENCE}, and the gradient is less noisy with them"
        comparable = gradients.error(name, REFERENCE).high < 0
        findings.append(_below_one(claim, gradients, gradients.noise(name), comparable=comparable))
    for name in FOR_NOISE:
        findings.append(_below_one(f"the gradient is less noisy with {name} than with {REFERENCE}", gradients, gradients.noise(name)))
        claim = f"the gradient is less noisy with {name} than without a baseline"
        findings.append(_below_one(claim, gradients, gradients.noise(name, against=NOTHING)))
    for name, left in PUBLISHED.items():
        claim = f"{name} needs fewer rollouts than {left} for the same step along the gradient"
        findings.append(_below_one(claim, gradients, gradients.needed(name, left)))
    for name in PUBLISHED:
        off = gradients.off(name)
        ours = f"{off.text()} of its square"
        findings.append(Finding(f"the mean gradient with {name} is off", gradients.name, "no claim", ours, judge_direction(1, off)))
        bent = gradients.bent(name)
        claim = f"the mean gradient with {name} is bent, which no step size makes up for"
        findings.append(Finding(claim, gradients.name, "no claim", f"{bent.text()} of its square", judge_direction(1, bent)))
    for name in (*OF_VALUES, *FOR_NOISE):
        off = gradients.off(name)
        claim = f"the mean gradient with {name} is off by less than {MARGIN:.0%} of its square"
        findings.append(Finding(claim, gradients.name, "no claim", off.text(), judge_zero(off, MARGIN)))
    return findings


def shown_numbers(gradients: Gradients) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    shown = {
        "setting": gradients.name,
        "nothing": gradients.noise(NOTHING).text(),
        "share": gradients.best_share(REFERENCE).text(),
        "error": gradients.error(REFERENCE).text(),
    }
    for name in (*OF_VALUES, *FOR_NOISE):
        key = name.replace("-", "_")
        shown |= {f"{key}_noise": gradients.noise(name).text(), f"{key}_error": gradients.error(name, REFERENCE).text(signed=True)}
    shown |= {f"{name.replace('-', '_')}_needed": _text(gradients.needed(name)) for name in FOR_NOISE}
    shown["nothing_needed"] = _text(gradients.needed(NOTHING))
    for name in PUBLISHED:
        shown |= {f"{name}_noise": gradients.noise(name).text(), f"{name}_along": gradients.along(name).text()}
        shown |= {f"{name}_needed": _text(gradients.needed(name)), f"{name}_needed_left": _text(gradients.needed(name, PUBLISHED[name]))}
        shown |= {f"{name}_off": gradients.off(name).text(), f"{name}_bent": gradients.bent(name).text()}
    certain = gradients.by_value().iloc[-1]
    return shown | {"certain": number_text(certain["value"]), "certain_weighted": certain["weighted"].text()}


def _text(interval: Interval | None) -> str:
    return _UNKNOWN if interval is None else interval.text()


def _below_one(claim: str, gradients: Gradients, found: Interval | None, *, comparable: bool = True) -> Finding:
    if found is None:
        return Finding(claim, gradients.name, "no claim", _UNKNOWN, Word.UNDECIDED)
    below = Interval(found.estimate - 1, found.low - 1, found.high - 1)
    word = judge_direction(-1, below) if comparable else Word.NOT_COMPARABLE
    return Finding(claim, gradients.name, "no claim", f"ratio {found.text()}", word)
