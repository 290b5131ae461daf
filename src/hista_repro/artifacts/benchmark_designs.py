"""Does the design of the benchmark decide? Its two choices that favour some estimators, undone: where states are cut, and whether
estimators see the rollouts that these are cut from (`hista_repro.sveb.designs`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.artifacts.comparisons import error_difference
from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.kept_tables import kept_table
from hista_repro.artifacts.measurements import REPEATS, Measurement, check_names, chosen_builds, measurements_of
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction
from hista_repro.errors import Refused
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.config import other_design
from hista_repro.sveb.designs import INDEPENDENT, LEAVE_ONE_OUT, longer_when_right, pool_scores, selection_bias
from hista_repro.sveb.statistics import summarise

CUTS = {"anywhere": "anywhere in an answer", "fixed": "at fixed positions"}
"""Designs of the states, in words."""
MARGIN = 0.05
"""Fixed cuts must pick states fairly but for answers that end right at a cut, so that is checked up to a margin: a difference that chance
alone makes clear in one benchmark of twenty would be no finding."""
_DESIGN = ("cut_every", "independent_pool")
_TITLES = {"mae": "MAE", "mse": "Corrected MSE"}


@dataclass(frozen=True)
class Designs:
    """What one build shows of its design, with a build of the same problems in the other design."""

    other: Measurement
    """`designs.pool_scores` of the build in the other design: states at fixed positions, over both pools."""
    selection: Mapping[str, Interval]
    """Key of `CUTS` -> the bias of `designs.selection_bias`."""
    longer: Interval | None
    """By how many tokens right answers are longer than wrong ones to the same problem (`designs.longer_when_right`); None where too few
    problems have both."""

    @property
    def name(self) -> str:
        return self.other.name


def measure_designs(builds: Sequence[Mapping[str, Any]], cut_every: int, model: str = "") -> list[Designs]:
    """Each build in the published design and in the other one: states at multiples of `cut_every` tokens, and an independent pool.

    With a `model`, the first build is made with that model and the others are left out. Raises `Refused` for no builds, for two of one
    name, and for one that is in another design already.
    """
    found = []
    for build in chosen_builds(builds, model):
        if own := [name for name in _DESIGN if build.get(name)]:
            raise Refused(f"a build of this page is in the published design, without {own[0]}; what it is compared with is made of it")
        published, other = (Benchmark(record(settings)) for settings in (build, other_design(build, cut_every)))
        scores = kept_table(pool_scores, other)
        biases = {"anywhere": selection_bias(published), "fixed": selection_bias(other)}
        for measurement in measurements_of(other.config.to_dict(), scores):
            of_domain = {cuts: table[table["domain"] == measurement.domain].iloc[0] for cuts, table in biases.items()}
            selection = {cuts: Interval(*row[["bias", "low", "high"]]) for cuts, row in of_domain.items()}
            longer = longer_when_right(published, measurement.domain)
            found.append(Designs(measurement, selection, Interval(*longer) if np.isfinite(longer).all() else None))
    check_names([designs.name for designs in found])
    return found


def pool_errors(measurement: Measurement, forms: Mapping[str, str] = LEAVE_ONE_OUT) -> pd.DataFrame:
    """Three rows of `statistics.summarise` for each method, with its name in `method`: as published, without its own outcome, and over an
    independent pool, to which the other two are compared on the same states."""
    tables = []
    for published, left in forms.items():
        names = [published, left, left + INDEPENDENT]
        scores = measurement.scores[measurement.scores["estimator"].isin(names)]
        table = summarise(scores, baseline=names[-1], repeats=REPEATS).set_index("estimator").loc[names].reset_index()
        tables.append(table.assign(method=published))
    return pd.concat(tables, ignore_index=True)


def readable_pools(measurement: Measurement, errors: pd.DataFrame, error: str) -> Captioned:
    """The `error` ("mae" or "mse") of `pool_errors`, a column for each method."""
    columns = {}
    for method, table in errors.groupby("method", sort=False):
        levels = [_interval(row, error).text() for _, row in table.iterrows()]
        differences = [_interval(row, f"{error}_diff").text(signed=True) for _, row in table.iloc[:-1].iterrows()]
        columns[method] = [*levels, *differences]
    seen = ["as published", "own outcome left out", "independent pool"]
    compared = [f"{what} − independent" for what in ("published", "left out")]
    caption = f"{measurement.size}. {_TITLES[error]} on the same states, by what an estimator sees of the answers they are cut from."
    return Captioned(pd.DataFrame({"what is seen": [*seen, *compared], **columns}), caption)


def readable_selection(designs: Designs) -> Captioned:
    """How far own outcomes lie above the values of the states that were picked, by design."""
    rows = [(CUTS[cuts], bias.text(signed=True)) for cuts, bias in designs.selection.items()]
    table = pd.DataFrame(rows, columns=["states are cut", "own outcome − reference"])
    return Captioned(table, f"{designs.name}. Zero, up to chance, where a state is picked without regard to its ending.")


def judge_designs(designs: Designs) -> list[Finding]:
    """What the own outcome is worth where it can be compared with an answer that is not there, and whether states are picked fairly."""
    findings = []
    for published, left in LEAVE_ONE_OUT.items():
        apart = left + INDEPENDENT
        for error, words in (("mae", "mean absolute error"), ("mse", "corrected squared error")):
            difference = error_difference(designs.other, published, apart, error)
            claim = f"{published} has a smaller {words} than {left} over an independent pool"
            findings.append(_finding(claim, designs, difference, -1))
    claim = f"states that are cut {CUTS['anywhere']} come from answers that end right more often than their values say"
    findings.append(_finding(claim, designs, designs.selection["anywhere"], 1))
    claim = f"states that are cut {CUTS['fixed']} come from answers that end right as often as their values say, up to {MARGIN}"
    fixed = designs.selection["fixed"]
    findings.append(Finding(claim, designs.name, "no claim", fixed.text(signed=True), judge_zero(fixed, MARGIN)))
    return findings


def shown_numbers(designs: Designs) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    shown = {"setting": designs.name}
    for published, left in (("hista", "hista-loo"), ("numca", "numca-loo")):
        for key, name in ((published, published), (f"{published}_left", left)):
            for error in _TITLES:
                shown[f"{key}_{error}"] = error_difference(designs.other, name, left + INDEPENDENT, error).text(signed=True)
    shown["longer"] = "not measured" if designs.longer is None else designs.longer.text(signed=True)
    return shown | {f"bias_{cuts}": bias.text(signed=True) for cuts, bias in designs.selection.items()}


def _finding(claim: str, designs: Designs, measured: Interval, sign: int) -> Finding:
    return Finding(claim, designs.name, "no claim", measured.text(signed=True), judge_direction(sign, measured))


def _interval(row: pd.Series, name: str) -> Interval:
    return Interval(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")))
