"""The group mean: V(s) = mean of the G rewards, the same for every state of every rollout.

The baseline of GRPO (the paper's row "GRPO@40"). Information set: own-return, because the rollout's own reward is one of the G. Its
weight is 1/G in every state, so it scales the policy gradient by 1 - 1/G and keeps its direction.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class GroupMean(Estimator):
    """GRPO's baseline."""

    name = "group-mean"
    information = Information.OWN_RETURN

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return constant_values(group, positions, group.rewards_G.double().mean().expand(group.size))


ESTIMATORS = [GroupMean()]
