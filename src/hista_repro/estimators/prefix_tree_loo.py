"""The prefix tree without the rollout's own reward, shrunk along the path: V_k = (n_k mean_k + kappa V_{k-1}) / (n_k + kappa).

mean_k is the mean reward of the n_k other rollouts that begin with the tokens of the k-th node, V_{k-1} the value before some of them
parted, V_0 the mean of the other rewards. Where no other rollout begins so, the last node decides that others share. It reads no hidden
state and no number: what Hista or Numca add to comparing text, they add to this. Information set: siblings. Ours; the shrinkage is that
of `numca_loo`, and kappa = 0 is the tree of Tran et al. (2025) without the rollout itself.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.prefix_tree import tree_values
from hista_repro.estimators.validation import check_kappa, check_siblings
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class PrefixTreeLOO(Estimator):
    """Leave-one-out prefix tree with back-off and shrinkage."""

    kappa: float = 1.0
    """How many rollouts the value before a branching counts for."""

    name = "prefix-tree-loo"
    information = Information.SIBLINGS

    def __post_init__(self) -> None:
        check_kappa(self.kappa)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_siblings(group.size)
        return tree_values(group, positions, leave_own_out=True, kappa=self.kappa)


ESTIMATORS = [PrefixTreeLOO()]
