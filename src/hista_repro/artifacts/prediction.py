"""Whether what is measured before training foretells how well it goes: arms of training, ranked both ways.

Measured before are the errors on SVEB, and how many rollouts the gradient takes (`Gradients.needed`). The rank correlation is Spearman's,
over arms. Its interval resamples the problems behind the measurements and the seeds behind the accuracies, for all arms alike, and holds
for these arms: arms themselves are not resampled. What so few arms can show is another question, which a permutation test over them
answers. A claim has to pass both.

An estimator's error depends on how many rollouts it sees and on its settings, so the benchmark has groups of the size that the arms train
with, and estimators are scored with the settings and spacings of the arms. Gradients are those of groups of that size, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata

from hista_repro.artifacts.gradients import REFERENCE, Gradients
from hista_repro.artifacts.group_gradients import adapted, gradient_table, usable
from hista_repro.artifacts.kept_tables import kept_scores, kept_table
from hista_repro.artifacts.measurements import REPEATS, Measurement, measure
from hista_repro.artifacts.problem_sums import error_sums
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.training_arms import Arm, outcome_over_seeds, outcomes, setting_of
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction, number_text
from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Information, get_estimator
from hista_repro.seeding import derive_seed
from hista_repro.sveb import Benchmark, BuildConfig, record
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts

_THE_SAME_BUT_FOR = ("estimator", "allow_biased", "seed")
_AS_THE_ARMS = ("group_size", "max_tokens", "temperature")
"""Settings of rollouts that a build and the arms must share."""
OUTCOMES = {"average": "trained on: all updates", "after": "held out: after"}
"""Columns of `training_arms.outcomes` that are foretold."""
PREDICTORS = {"mse": "corrected MSE", "needed": "rollouts needed"}
"""What is measured before training."""
NO_VALUES = ("zero", "otb", "otb-loo", "loo-share")
"""Baselines that are made for the gradient's noise, or none at all: how far they are from the values is no error of theirs."""
LEVEL = 0.05
"""Of the permutation test over arms."""
_PERMUTATIONS = 20_000
"""All orders of up to seven arms are counted; of more, so many are drawn."""
_UNKNOWN = "–"
_DIGITS = 2
_FEWEST = 3
Mask = NDArray[np.bool_]


def estimator_of(arm: Arm) -> str:
    """The name of the estimator whose values are the baseline of an arm; without one it is the mean of the group."""
    name = arm.config["estimator"]
    return "group-mean" if name == "none" else name


def trained_estimator(arm: Arm) -> Estimator:
    """The estimator of `estimator_of`, with the settings and the spacing that the runs of the arm give it."""
    config = arm.config
    estimator = adapted(get_estimator(estimator_of(arm)), config["model"], config["max_tokens"])
    return estimator if config["estimator"] == "none" else replace(estimator, **config["estimator_settings"])


def check_arms(arms: Sequence[Arm]) -> None:
    """Raise `Refused` for fewer than three arms, and for arms that differ in more than the estimator."""
    if len(arms) < _FEWEST:
        raise Refused(f"arms: a rank correlation needs three or more, not {len(arms)}")
    for name, value in arms[0].config.items():
        other = next((arm for arm in arms if arm.config[name] != value), None)
        if other and name not in _THE_SAME_BUT_FOR:
            raise Refused(f"{arms[0].name} and {other.name} differ in {name}; arms that are compared differ in their estimator alone")


def check_build(build: Mapping[str, Any], arm: Arm) -> None:
    """Raise `Refused` for a build, given by the fields of `sveb.BuildConfig`, whose rollouts are other than those that `arm` trains on:
    in model, size of groups, longest answer or temperature."""
    scored, trained = (Path(config["model"]).name for config in (build, arm.config))
    if scored != trained:
        raise Refused(f"build: the benchmark is of {scored}, and training starts from {trained}; they must be the same")
    for name in _AS_THE_ARMS:
        if build[name] != arm.config[name]:
            raise Refused(f"build: its {name} is {build[name]}, and that of the arms is {arm.config[name]}; they must be the same")


def measure_arms(build: Mapping[str, Any], arms: Sequence[Arm]) -> Measurement:
    """Score the estimators of the arms, as these train with them, on a build, which is made where it does not exist yet.

    Raises `Refused` as `check_arms`, `check_build` and `measure` do, and for a build of several domains.
    """
    check_arms(arms)
    check_build(BuildConfig.from_dict(build).to_dict(), arms[0])
    measurements = measure([build], ["group-mean"])
    if len(measurements) > 1:
        raise Refused(f"build: its problems are of {len(measurements)} domains; choose one with its setting domain")
    estimators = {estimator_of(arm): trained_estimator(arm) for arm in arms}
    return replace(measurements[0], scores=kept_scores(Benchmark(record(build)), estimators, adapt=False))


def measure_gradients_of(build: Mapping[str, Any], redesign: Mapping[str, Any], arms: Sequence[Arm]) -> Gradients:
    """The gradients of the arms at the model that `build` is of, in groups of the size that the arms train with.

    They are computed on `build` with the settings of `redesign`, whose groups make several of that size. Estimators that draw have
    none. Raises `Refused` as `check_arms` and `check_build` do, and as `group_gradients.gradient_table` does.
    """
    check_arms(arms)
    size = arms[0].config["group_size"]
    config = BuildConfig.from_dict({**build, **redesign})
    check_build({**config.to_dict(), "group_size": size}, arms[0])
    estimators = {estimator_of(arm): trained_estimator(arm) for arm in arms}
    estimators = {
        REFERENCE: adapted(get_estimator(REFERENCE), config.model, config.max_tokens),
        **estimators,
    }  # the first is what others are compared with
    benchmark = Benchmark(record(config.to_dict()))
    chosen = [estimator for estimator in estimators.values() if usable(estimator)]
    table = kept_table(gradient_table, benchmark, chosen, size, len(benchmark))
    return Gradients(setting_of(arms[0]), config.to_dict(), size, table)


@dataclass(frozen=True)
class Predictor:
    """What is measured of A arms before training, with R resamples of its problems."""

    values: Array
    """(A,) NaN for an arm that it cannot be measured of."""
    draws: Array
    """(R, A)."""
    problems: int


@dataclass(frozen=True)
class Prediction:
    """What is measured before training and the accuracies after it, of A arms, with R resamples of both."""

    arms: Sequence[Arm]
    predictors: dict[str, Predictor]
    """By the names of `PREDICTORS`."""
    accuracies: dict[str, Array]
    """Outcome -> (A,) the mean over seeds."""
    accuracy_draws: dict[str, Array]
    """Outcome -> (R, A) those of resampled seeds."""
    seeds: int

    def ranked(self, predictor: str, among: Information | None = None) -> Mask:
        """(A,) the arms that the predictor ranks: those that it is measured of, and errors only where an estimator estimates values.

        With `among`, only the arms whose estimators look at the same.
        """
        estimators = [estimator_of(arm) for arm in self.arms]
        known = np.isfinite(self.predictors[predictor].values)
        if predictor == "mse":
            known &= [name not in NO_VALUES for name in estimators]
        return known if among is None else known & [get_estimator(name).information is among for name in estimators]

    def correlation(self, predictor: str, outcome: str, among: Information | None = None) -> Interval:
        """Spearman's rank correlation over the arms `ranked`; where less of the predictor foretells more accuracy it is negative.

        Its interval ends at -1 and 1, since a correlation does.
        """
        before, which = self.predictors[predictor], self.ranked(predictor, among)
        draws = rank_correlation(before.draws[:, which], self.accuracy_draws[outcome][:, which])
        low, high = percentile_interval(draws, 0.95, self.seeds)
        estimate = rank_correlation(before.values[None, which], self.accuracies[outcome][None, which])
        return Interval(float(estimate[0]), max(float(low), -1.0), min(float(high), 1.0))

    def p_over_arms(self, predictor: str, outcome: str, among: Information | None = None) -> float:
        """The two-sided p-value of the rank correlation where any order of the accuracies is as likely as any other."""
        which = self.ranked(predictor, among)
        before, after = self.predictors[predictor].values[None, which], self.accuracies[outcome][None, which]
        rng = np.random.default_rng(derive_seed(0, "permutations"))
        test = permutation_test(
            (after[0],),
            lambda values: rank_correlation(before, values[None])[0],
            permutation_type="pairings",
            vectorized=False,
            n_resamples=_PERMUTATIONS,
            rng=rng,
        )
        return float(test.pvalue)

    def table(self) -> pd.DataFrame:
        """One row per arm: arm, estimator, information, and each predictor and outcome with its 95% interval (`_low`, `_high`).

        Accuracies and their intervals are those of other pages about training (`training_arms.outcome_over_seeds`).
        """
        rows = pd.DataFrame(
            {
                "arm": [arm.name for arm in self.arms],
                "estimator": [estimator_of(arm) for arm in self.arms],
                "information": [str(get_estimator(estimator_of(arm)).information) for arm in self.arms],
            }
        )
        for name, predictor in self.predictors.items():
            rows[name] = predictor.values
            rows[f"{name}_low"], rows[f"{name}_high"] = percentile_interval(predictor.draws.T, 0.95, predictor.problems)
        for name in self.accuracies:
            intervals = [outcome_over_seeds(arm, name) for arm in self.arms]
            for end in ("estimate", "low", "high"):
                rows[name if end == "estimate" else f"{name}_{end}"] = [getattr(interval, end) for interval in intervals]
        return rows.sort_values("mse", ignore_index=True)


def predict(measurement: Measurement, gradients: Gradients, arms: Sequence[Arm]) -> Prediction:
    """Hold the errors of the arms' estimators, scored in `measurement`, and their `gradients` against the accuracies of their runs.

    Raises `Refused` as `check_arms` and `check_build` do.
    """
    check_arms(arms)
    check_build(measurement.config, arms[0])
    sums, states = error_sums(measurement, [estimator_of(arm) for arm in arms])
    rng = np.random.default_rng(derive_seed(0, "prediction"))
    problems = resampled_prompts(len(states), REPEATS, rng)
    errors = Predictor(sums.sum(axis=0) / states.sum(), (problems @ sums) / (problems @ states)[:, None], len(states))
    of_seeds = {name: np.stack([outcomes(arm)[name].to_numpy() for arm in arms], axis=1) for name in OUTCOMES}
    seeds = len(arms[0].seeds)
    drawn = resampled_prompts(seeds, REPEATS, rng)
    return Prediction(
        arms,
        predictors={"mse": errors, "needed": _rollouts_needed(gradients, arms)},
        accuracies={name: values.mean(axis=0) for name, values in of_seeds.items()},
        accuracy_draws={name: drawn @ values / seeds for name, values in of_seeds.items()},
        seeds=seeds,
    )


def _rollouts_needed(gradients: Gradients, arms: Sequence[Arm]) -> Predictor:
    """What `Gradients.needed` is, in hundredths: gradients of one direction, as with the means of the group and of the others, are ties."""
    measured, unknown = set(gradients.table["estimator"]), np.full(1 + REPEATS, np.nan)
    columns = [gradients.needed_draws(name) if (name := estimator_of(arm)) in measured else None for arm in arms]
    draws = np.stack([unknown if column is None else column for column in columns], axis=1).round(_DIGITS)
    return Predictor(draws[0], draws[1:], gradients.problems)


def rank_correlation(first: Array, second: Array) -> Array:
    """(R,) Spearman's rank correlation of each row of two (R, A) arrays; 0 for a row that is all ties."""
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def readable_correlations(prediction: Prediction) -> Captioned:
    """The rank correlations of each predictor: over all arms that it ranks, and over those of one information set, if it ranks three."""
    rows = []
    for predictor, title in PREDICTORS.items():
        for among in (None, *Information):
            if among is not None and prediction.ranked(predictor, among).sum() < _FEWEST:
                continue
            arms = f"{prediction.ranked(predictor, among).sum()}, {'all' if among is None else among}"
            for outcome, words in OUTCOMES.items():
                correlation, p = prediction.correlation(predictor, outcome, among), prediction.p_over_arms(predictor, outcome, among)
                rows.append((title, arms, words, correlation.text(signed=True), p_text(p)))
    columns = ["of", "arms", "with the accuracy", "rank correlation", "over arms"]
    return Captioned(pd.DataFrame(rows, columns=columns), "Rank correlations; −1 if everything smaller goes with more accuracy.")


def p_text(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def readable_prediction(prediction: Prediction) -> Captioned:
    table = prediction.table()
    shown = table[["arm", "information"]].copy()
    for name, title in {**PREDICTORS, **OUTCOMES}.items():
        intervals = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        shown[title] = [_UNKNOWN if np.isnan(values[0]) else Interval(*values).text() for values in intervals]
    return Captioned(shown, "Arms from the smallest error to the largest. Intervals: over problems, and of accuracies over seeds.")


def judge_prediction(prediction: Prediction) -> list[Finding]:
    """The claims that arms with less of each predictor end higher; of errors, the paper takes that for granted.

    A direction counts if its interval has it and so few arms would seldom show it by chance (`LEVEL`).
    """
    smaller = {"mse": "smaller errors", "needed": "gradients that need fewer rollouts"}
    when = {"average": "while training", "after": "on held-out problems"}
    findings = []
    for predictor, outcome in product(PREDICTORS, OUTCOMES):
        found, p = prediction.correlation(predictor, outcome), prediction.p_over_arms(predictor, outcome)
        findings.append(
            Finding(
                f"{smaller[predictor]} go with more accuracy {when[outcome]}",
                setting_of(prediction.arms[0]),
                "taken for granted" if predictor == "mse" else "no claim",
                f"rank correlation over {prediction.ranked(predictor).sum()} arms: {found.text(signed=True)}, {p_text(p)} over arms",
                judge_direction(-1, found) if p < LEVEL else Word.UNDECIDED,
            )
        )
    return findings


def shown_numbers(prediction: Prediction) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    pairs = product(PREDICTORS, OUTCOMES)
    correlations = {f"{before}_{outcome}": prediction.correlation(before, outcome).text(signed=True) for before, outcome in pairs}
    counts = {"arms": len(prediction.arms), "ranked": prediction.ranked("needed").sum(), "seeds": prediction.seeds}
    counts["valued"] = prediction.ranked("mse").sum()
    best = int(prediction.accuracies["average"].argmax())
    needed = prediction.predictors["needed"].values
    return {
        "setting": setting_of(prediction.arms[0]),
        **{name: str(count) for name, count in counts.items()},
        **correlations,
        "best": prediction.arms[best].name,
        "best_average": number_text(float(prediction.accuracies["average"][best])),
        "best_needed": _place(needed, best),
    }


def _place(values: Array, which: int) -> str:
    """From the smallest on: 1 for the smallest of all."""
    return str(1 + int((values < values[which]).sum())) if np.isfinite(values[which]) else _UNKNOWN
