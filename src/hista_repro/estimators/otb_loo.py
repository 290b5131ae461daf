"""The Optimal Token Baseline without the rollout's own reward: V(i, t) = sum_{j != i} W_jt R_j / sum_{j != i} W_jt.

W_jt is that of `otb`: the score power of the first t + 1 tokens of rollout j, 0 where it ended before t tokens. Where no other rollout
is so long, or none could move the policy, the value is the mean of the other rewards. Information set: siblings. Ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.otb import mean_over_rollouts, power_weights
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class OptimalTokenBaselineLOO(Estimator):
    """Leave-one-out mean weighted by cumulative score power."""

    name = "otb-loo"
    information = Information.SIBLINGS
    node_spacing = 1

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        means_G, weights_G_T = means_of_others(group.rewards_G.cpu()), power_weights(group)
        rewards_G_1 = group.rewards_G.double().cpu()[:, None]
        values = []
        for i, tokens in enumerate(positions):
            others = torch.arange(group.size) != i  # summed without its own, so that not even rounding depends on it
            values_T = mean_over_rollouts(weights_G_T[others], rewards_G_1[others], means_G[i])
            values.append(values_T[list(tokens)].float())
        return values


ESTIMATORS = [OptimalTokenBaselineLOO()]
