"""Hista with its settings varied, as published and without the own reward: errors, differences, and what the paper says of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hista_repro.artifacts.ablation_settings import FORMS, Setting
from hista_repro.artifacts.comparisons import error_difference
from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.kept_tables import kept_scores
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction, number_text
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.statistics import summarise

BASELINES = {"hista": "group-mean", "hista-loo": "loo-mean"}
"""What each form is without any hidden state."""
NOTABLE = 0.01
"""MAE up to which a change counts as not notable; the paper calls 0.004 so (Table 11), and 0.066 significant (Table 10)."""


@dataclass(frozen=True)
class Ablation:
    """One measurement of several settings."""

    measurement: Measurement
    """Its scores hold both forms of every setting that could be had, under `Setting.label`."""
    settings: Mapping[str, Setting]
    """Name -> setting."""
    default: str
    """The name of the setting that the others are compared with."""

    def difference(self, name: str, other: str, form: str = "hista") -> Interval:
        """MAE of the first setting minus that of the second."""
        return error_difference(self.measurement, self.settings[name].label(form), self.settings[other].label(form))


def ablate(measurement: Measurement, make_settings: Callable[[Benchmark], list[Setting]], default: str) -> Ablation:
    """Score both forms of the settings that `make_settings` gives for the build behind a measurement of `BASELINES`.

    The settings are used as they are.
    """
    benchmark = Benchmark(record(measurement.config))
    settings = {setting.name: setting for setting in make_settings(benchmark)}
    labels = {setting.label(form): estimator for setting in settings.values() for form, estimator in setting.estimators.items()}
    scores = kept_scores(benchmark, labels, adapt=False)
    scores = scores[scores["state_id"].isin(measurement.scores["state_id"])]
    scores = pd.concat([measurement.scores, scores], ignore_index=True)
    return Ablation(replace(measurement, scores=scores), settings, default)


def ablation_table(ablation: Ablation) -> pd.DataFrame:
    """One row per form and setting: form, series, value, here, `printed`, `mae`, and `mae_diff`, the difference to the default.

    `mae` and `mae_diff` have intervals (`_low`, `_high`) and are missing where a setting was not run. `baseline` is the MAE of what the
    form is without any hidden state; `printed_diff` and `baseline_diff` are differences to the default, too.
    """
    scores, default = ablation.measurement.scores, ablation.settings[ablation.default]
    rows = []
    for form in FORMS:
        names = [setting.label(form) for setting in ablation.settings.values() if setting.estimators]
        of_form = scores[scores["estimator"].isin([*names, BASELINES[form]])]
        errors = summarise(of_form, baseline=default.label(form), repeats=REPEATS).set_index("estimator")
        errors = errors[[f"mae{kind}{end}" for kind in ("", "_diff") for end in ("", "_low", "_high")]]
        baseline = errors.loc[BASELINES[form]]
        for setting in ablation.settings.values():
            row = {"form": form, "series": setting.series, "value": setting.value, "here": setting.here}
            row |= {"printed": setting.printed, "printed_diff": setting.printed - default.printed}
            row |= errors.loc[setting.label(form)].to_dict() if setting.estimators else dict.fromkeys(errors.columns, np.nan)
            rows.append(row | {"baseline": baseline["mae"], "baseline_diff": baseline["mae_diff"]})
    return pd.DataFrame(rows)


def readable_ablation(ablation: Ablation, table: pd.DataFrame) -> Captioned:
    """An `ablation_table` as a page shows it, the two forms side by side."""
    settings = ablation.settings.values()
    shown = pd.DataFrame({"setting": list(ablation.settings), "here": [setting.here for setting in settings]})
    shown["paper"] = [number_text(setting.printed) for setting in settings]
    without = []
    for form in FORMS:
        part = table[table["form"] == form]
        shown[form] = [_text(*cells) for cells in part[["mae", "mae_low", "mae_high"]].itertuples(index=False)]
        differences = part[["mae_diff", "mae_diff_low", "mae_diff_high"]].itertuples(index=False)
        shown[f"{form} − default"] = [_text(*cells, signed=True) for cells in differences]
        without.append(f"{BASELINES[form]} {number_text(part['baseline'].iloc[0])}")
    caption = f"MAE on {ablation.measurement.size}. Default: {ablation.default}. Without any hidden state: {', '.join(without)}."
    return Captioned(shown, caption)


def judge_settings(ablation: Ablation, name: str, other: str) -> Finding:
    """Does the error of the published form differ between two settings in the direction that it has in the paper?

    Not comparable are settings that are the same at the lengths measured, and those that differ in two things of which one is the same.
    """
    setting, against = ablation.settings[name], ablation.settings[other]
    printed = setting.printed - against.printed
    where, paper = ablation.measurement.name, number_text(printed, signed=True)
    claim = f"{name} has a {'smaller' if printed < 0 else 'larger'} error than {other}"
    if not (setting.estimators and against.estimators):
        return Finding(claim, where, paper, "–", Word.NOT_RUN)
    if setting.estimators == against.estimators:
        return Finding(claim, where, paper, "the same setting at these lengths", Word.NOT_COMPARABLE)
    if _series_is_lost(ablation, setting, against):
        ours = f"{setting.series} and {against.series} are one setting at these lengths"
        return Finding(claim, where, paper, ours, Word.NOT_COMPARABLE)
    difference = ablation.difference(name, other)
    return Finding(claim, where, paper, difference.text(signed=True), judge_direction(printed, difference))


def judge_no_change(ablation: Ablation, name: str) -> Finding:
    """The paper sees no notable change from the default; taken here as: the interval of the difference lies within `NOTABLE` of 0."""
    setting, default = ablation.settings[name], ablation.settings[ablation.default]
    where, paper = ablation.measurement.name, number_text(setting.printed - default.printed, signed=True)
    claim = f"{name} changes the error of {ablation.default} by less than {NOTABLE}"
    if not setting.estimators:
        return Finding(claim, where, paper, "–", Word.NOT_RUN)
    difference = ablation.difference(name, ablation.default)
    return Finding(claim, where, paper, difference.text(signed=True), judge_zero(difference, NOTABLE))


def _series_is_lost(ablation: Ablation, setting: Setting, against: Setting) -> bool:
    """Whether two settings differ in their series by name alone: that of `against`, with the value of `setting`, is `setting` itself."""
    of_series = [other for other in ablation.settings.values() if other.series == against.series and other.value == setting.value]
    return setting.series != against.series and any(other.estimators == setting.estimators for other in of_series)


def _text(estimate: float, low: float, high: float, *, signed: bool = False) -> str:
    if np.isnan(estimate):
        return "not run"
    return "–" if signed and estimate == low == high == 0 else Interval(estimate, low, high).text(signed=signed)
