"""Numca without the rollout's own reward, shrunk along the path: V_k = (n_k mean_k + kappa V_{k-1}) / (n_k + kappa).

mean_k is the mean reward of the n_k other rollouts that pass through the k-th abstract state of the state's own text, V_{k-1} the value
of the abstract state before it, V_0 the mean of the other rewards. Where n_k = 0 the state before decides. Information set: siblings;
the state's own text is all that is read of the rollout itself, so the baseline is unbiased. Ours, not in the paper.

kappa is the number of rollouts that the state before counts for. The default, 1, is the unit-information prior (Kass and Wasserman,
1995): as much weight as one observation. kappa = 0 is plain back-off and equals `numca_values(..., variant="leave_one_out")`.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.numca import state_values
from hista_repro.estimators.validation import check_kappa, check_siblings
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class NumcaLOO(Estimator):
    """Leave-one-out Numca with back-off and shrinkage."""

    kappa: float = 1.0

    name = "numca-loo"
    information = Information.SIBLINGS

    def __post_init__(self) -> None:
        check_kappa(self.kappa)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_siblings(group.size)
        return state_values(group, positions, leave_own_out=True, kappa=self.kappa)


ESTIMATORS = [NumcaLOO()]
