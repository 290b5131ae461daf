"""The ramp: V(s_t) = (1 - u) mean of the other rewards + u R, with u = t/T the share of the rollout that has been read.

The best linear use of a rollout's own return if its outcome settles evenly along the way: V_t is a martingale, so the weight of R is
Var(V_t) / Var(R), which is then u. It looks at no token. A method that beats the group mean and not the ramp has shown that a
rollout's own outcome leaks into its values, and no more. Information set: own-return (own reward and own length). Ours, a control.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class Ramp(Estimator):
    """From the leave-one-out mean to the own return."""

    name = "ramp"
    information = Information.OWN_RETURN

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        others_G = means_of_others(group.rewards_G)
        result = []
        for i, tokens in enumerate(positions):
            share_N = torch.tensor(tokens, dtype=torch.float64) / max(group.length(i), 1)
            result.append((others_G[i] + share_N * (group.rewards_G[i] - others_G[i])).float())
        return result


ESTIMATORS = [Ramp()]
