"""`hista-cosine` without the rollout's own nodes, as `hista-loo` is `hista` without them.

Shows what the choice of the distance is worth where no own reward is in the values. Information set: siblings. Not in the paper.
"""

from dataclasses import dataclass

from hista_repro.estimators.base import Information
from hista_repro.estimators.hista_cosine import CosineHista


@dataclass(frozen=True)
class LeaveOneOutCosineHista(CosineHista):
    """Hista by the angle of hidden states that leaves the rollout itself out."""

    name = "hista-cosine-loo"
    information = Information.SIBLINGS


ESTIMATORS = [LeaveOneOutCosineHista()]
