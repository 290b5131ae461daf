"""The leave-one-out mean: V(s) = mean of the other G-1 rewards, the same for every state of a rollout.

The baseline of RLOO (Kool et al., 2019; Ahmadian et al., 2024), and the yardstick of our tables: the best that is known about a prompt
without looking at the state. Information set: siblings. Not in the paper, whose yardstick is the group mean.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.estimators.validation import check_siblings
from hista_repro.rollouts.group import RolloutGroup


def means_of_others(rewards_G: Tensor) -> Tensor:
    """(G,) float64: for every rollout the mean reward of the others, summed without its own, so that not even rounding depends on it."""
    size = len(rewards_G)
    check_siblings(size)
    others_G_G = rewards_G.double().repeat(size, 1).fill_diagonal_(0)
    return others_G_G.sum(dim=1) / (size - 1)


@dataclass(frozen=True)
class LeaveOneOutMean(Estimator):
    """RLOO's baseline."""

    name = "loo-mean"
    information = Information.SIBLINGS

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return constant_values(group, positions, means_of_others(group.rewards_G))


ESTIMATORS = [LeaveOneOutMean()]
