"""What a page about the benchmark measures: estimators scored on builds, one measurement for each model and domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hista_repro.artifacts.kept_tables import kept_scores
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.records import read_manifest

REPEATS = 2000
"""Resamples of the problems behind each interval of a page."""


@dataclass(frozen=True)
class Measurement:
    """The scores of one build in one domain."""

    name: str
    """Model and problems, short; no two measurements of a page share it."""
    config: Mapping[str, Any]
    """The settings of the build (`sveb.BuildConfig`)."""
    domain: str
    scores: pd.DataFrame
    """One row per state and estimator, as `sveb.score` gives them."""

    @property
    def column(self) -> str:
        """The column of this domain in the paper's tables."""
        return self.domain.capitalize()

    @property
    def size(self) -> str:
        states, problems = self.scores["state_id"].nunique(), self.scores["problem_id"].nunique()
        return f"{self.name}: {states} states of {problems} problems, {self.config['references']} continuations each"

    @property
    def setting(self) -> dict[str, str]:
        """The conditions that `paper.sveb_setting` gives for the paper."""
        config = self.config
        return {
            "Model": str(config["model"]),
            "Problems": str(config["problems"]),
            "Rollouts per problem": str(config["group_size"]),
            "Continuations per state": str(config["references"]),
            "Longest answer in tokens": str(config["max_tokens"]),
            "Sampling temperature": str(config["temperature"]),
        }

    def estimates(self) -> pd.DataFrame:
        """One row per state, sorted by problem: problem_id, reference, and one column for each estimator."""
        wide = self.scores.pivot(index=["problem_id", "state_id", "reference"], columns="estimator", values="estimate")
        return wide.rename_axis(columns=None).reset_index().sort_values(["problem_id", "state_id"], ignore_index=True)


def measure(builds: Sequence[Mapping[str, Any]], estimators: Sequence[str], model: str = "") -> list[Measurement]:
    """Score `estimators` on each build, making the builds that do not exist yet; one measurement for each domain of a build.

    With a `model`, the first build is made with that model and the others are left out. Raises `Refused` for no builds, for two that do
    not differ in model, problems or domain, and for a domain of fewer than two problems, over which there is no interval.
    """
    measurements = []
    for build in chosen_builds(builds, model):
        folder = record(build)
        scores = kept_scores(Benchmark(folder), {name: get_estimator(name) for name in estimators})
        measurements += measurements_of(read_manifest(folder)["config"], scores)
    check_names([measurement.name for measurement in measurements])
    return measurements


def chosen_builds(builds: Sequence[Mapping[str, Any]], model: str) -> Sequence[Mapping[str, Any]]:
    """The builds of a page: `builds`, or with a `model` the first of them with that model; raises `Refused` for none."""
    if not builds:
        raise Refused("builds is empty; give the settings of one build or more")
    return [{**builds[0], "model": model}] if model else builds


def check_names(names: Sequence[str]) -> None:
    """Raise `Refused` where two measurements of a page share a name."""
    if twice := [name for number, name in enumerate(names) if name in names[:number]]:
        raise Refused(f"two builds are called {twice[0]!r}; builds of one page differ in model or problems")


def measurements_of(config: Mapping[str, Any], scores: pd.DataFrame) -> list[Measurement]:
    """The `scores` of the build with the settings `config`, by domain; raises `Refused` for a domain of fewer than two problems."""
    measurements = []
    for domain, part in scores.groupby("domain", sort=False):
        name = f"{Path(config['model']).name} on {Path(config['problems']).name}"
        if scores["domain"].nunique() > 1:
            name = f"{name}, {domain}"
        if part["problem_id"].nunique() < 2:
            raise Refused(f"{name} keeps one problem, and intervals need two or more; raise its limit")
        measurements.append(Measurement(name, config, str(domain), part.reset_index(drop=True)))
    return measurements
