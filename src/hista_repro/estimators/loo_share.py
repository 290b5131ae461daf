"""A share of the leave-one-out mean: V(s) = c m, with m the mean reward of the other rollouts and one c for all prompts.

c, in [0, 1], minimises sum_j W_j (R_j - c m_j)^2 over the rollouts of other prompts, where W_j is the sum of the score powers of rollout
j, how far it can move the policy. That stands for the noise of the gradient: each token counts by itself, with the square of its gradient
with respect to the logits, and the end-of-sequence token does not. Were all weighed alike, c would shrink m by its own noise alone, the
less the larger the group. But a policy that is sure of its right answers moves by its mistakes, and the rewards of those are low, so c is
small. Information set: siblings. Ours, after the optimal baselines of Greensmith et al. (2004) and arXiv 2602.07078.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class LeaveOneOutShare(Estimator):
    """Leave-one-out mean times a share that is fitted to the power of tokens."""

    name = "loo-share"
    information = Information.SIBLINGS
    learns = True

    share: float | None = field(default=None, compare=False, kw_only=True)
    """c, in [0, 1]; None before it is fitted."""

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        products = torch.zeros(2, dtype=torch.float64)
        for group in groups:
            means_G, rewards_G = means_of_others(group.rewards_G.cpu()), group.rewards_G.double().cpu()
            powers_G = torch.stack([powers_T.double().sum().cpu() for powers_T in group.score_powers()])
            products += torch.stack([(powers_G * rewards_G * means_G).sum(), (powers_G * means_G.square()).sum()])
        with_reward, with_mean = products.tolist()
        return replace(self, share=min(max(with_reward / with_mean, 0.0), 1.0) if with_mean > 0 else 1.0)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        if self.share is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        return constant_values(group, positions, self.share * means_of_others(group.rewards_G))


ESTIMATORS = [LeaveOneOutShare()]
