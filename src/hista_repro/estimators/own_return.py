"""The own return: V(s) = R of the rollout that the state was cut from.

One Monte-Carlo sample that was paid for already. Information set: own-return. As a baseline it makes every advantage zero; in the
tables it shows what an estimator scores that has collapsed to the rollout's own outcome. Ours, a control.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class OwnReturn(Estimator):
    """The rollout's own reward."""

    name = "own-return"
    information = Information.OWN_RETURN

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return constant_values(group, positions, group.rewards_G)


ESTIMATORS = [OwnReturn()]
