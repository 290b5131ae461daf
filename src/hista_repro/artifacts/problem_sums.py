"""Squared errors summed problem by problem: what resamples of problems are made of."""

from collections.abc import Sequence

from hista_repro.artifacts.measurements import Measurement
from hista_repro.sveb.bootstrap import Array
from hista_repro.sveb.statistics import squared_errors


def error_sums(measurement: Measurement, estimators: Sequence[str]) -> tuple[Array, Array]:
    """(P, E) sums of the corrected squared errors over the states of each problem, and (P,) how many states it has."""
    scores = measurement.scores
    errors = squared_errors((scores["estimate"] - scores["reference"]).to_numpy(), scores["reference"].to_numpy(), scores["n"].to_numpy())
    wide = scores.assign(error=errors).pivot_table(index="problem_id", columns="estimator", values="error", aggfunc="sum")
    states = scores[scores["estimator"] == estimators[0]].groupby("problem_id")["state_id"].nunique()
    return wide[list(estimators)].to_numpy(), states.reindex(wide.index).to_numpy(dtype=float)
