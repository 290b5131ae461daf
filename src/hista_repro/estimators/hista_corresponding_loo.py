"""`hista-corresponding` without the rollout's own nodes, as `hista-loo` is `hista` without them.

Shows what the choice of the distance is worth where no own reward is in the values. Information set: siblings. Not in the paper.
"""

from dataclasses import dataclass

from hista_repro.estimators.base import Information
from hista_repro.estimators.hista_corresponding import CorrespondingHista


@dataclass(frozen=True)
class LeaveOneOutCorrespondingHista(CorrespondingHista):
    """Hista by hidden states at the same position that leaves the rollout itself out."""

    name = "hista-corresponding-loo"
    information = Information.SIBLINGS


ESTIMATORS = [LeaveOneOutCorrespondingHista()]
