"""What a search for the best settings computes: scores of all candidates where it chooses, and of the few that are confirmed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hista_repro.estimators import Estimator
from hista_repro.estimators.transformed import Transformation, Transformed
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.score import evaluate
from hista_repro.sveb.selection import select

_STATES = 6
"""States of a typical rollout that choose; more would say little more, since they share its reward."""


def search_choices(
    benchmark: Benchmark, tried: Mapping[tuple[str, str], Estimator], parts: Mapping[str, Sequence[str]], repeats: int
) -> pd.DataFrame:
    """One row per candidate (family, settings): `brier` and `diff` to the best of all on the problems that choose, with their intervals
    from `repeats` resamples; `chosen` is the best of its family."""
    fitted = _fitted(tried, _groups(benchmark, parts["transform"]))
    spacing = max(benchmark.typical_length // _STATES, 1)
    _, table = select(list(fitted.values()), _groups(benchmark, parts["choose"]), spacing, repeats=repeats, seed=benchmark.config.seed)
    choices = pd.DataFrame(list(tried), columns=["family", "settings"]).join(table.drop(columns="settings"))
    return choices.assign(chosen=choices.index.isin(choices.groupby("family")["brier"].idxmin()))


def search_confirmed(benchmark: Benchmark, asked: Mapping[str, Estimator], parts: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The scores (`sveb.score.evaluate`) of labelled estimators on the problems that confirm; transformations are fitted on the others."""
    fitted = _fitted(asked, _groups(benchmark, [*parts["transform"], *parts["choose"]]))
    return evaluate(benchmark.only(parts["confirm"]), fitted, adapt=False)


def _groups(benchmark: Benchmark, problems: Sequence[str]) -> list[RolloutGroup]:
    return [benchmark.groups[problem] for problem in problems]


def _fitted(estimators: Mapping[Any, Estimator], groups: Sequence[RolloutGroup]) -> dict[Any, Estimator]:
    """The estimators, each transformation of a layer fitted once for all that share it."""
    shared: dict[tuple[str, int], Transformation | None] = {}
    fitted = dict(estimators)
    for key, estimator in estimators.items():
        if isinstance(estimator, Transformed):
            what = estimator.kind, estimator.inner.layer
            if what not in shared:
                shared[what] = estimator.fit(groups).fitted
            fitted[key] = estimator.with_transformation(shared[what])
    return fitted
