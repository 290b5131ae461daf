"""Hista without the rollout's own nodes: the k nearest states of the other rollouts, weighted by 1 / MinDistance.

`hista` with one change: no state of the rollout itself is a candidate, so that its own reward never enters its own values. A state is
compared by the rows up to itself, k is fixed, and where no other rollout has a node the mean of the other rewards is left. Information
set: siblings. Not in the paper.
"""

from dataclasses import dataclass

from hista_repro.estimators.base import Information
from hista_repro.estimators.hista import Hista


@dataclass(frozen=True)
class LeaveOneOutHista(Hista):
    """Hista that leaves the rollout itself out."""

    name = "hista-loo"
    information = Information.SIBLINGS


ESTIMATORS = [LeaveOneOutHista()]
