"""The Optimal Token Baseline (Li et al., 2026, arXiv 2602.07078): V(i, t) = sum_j W_jt R_j / sum_j W_jt.

W_jt is the sum of the score powers of the first t + 1 tokens of rollout j, how far they can move the policy; rollouts that ended before
t tokens do not count. Rollouts that went ways of little probability so far weigh most, since it is their noise that a baseline has to
take away. The sums hold the rollout itself, as in verl, which publishes the method (`compute_optimal_token_baseline_advantage`), so the
own reward is in the value with a weight that grows with the own surprise. Information set: own-return.

Where one rollout alone is so long verl gives the value 0, and here it is the only reward there; where the sums are 0, as after a first
token that was certain, verl gives 0, and here it is the mean of the group. The power of the end-of-sequence token does not count. As in
verl every token has a value of its own. Not in the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


def power_weights(group: RolloutGroup) -> Tensor:
    """(G, T + 1) float64: W_jt for t = 0..T, the length of the longest rollout; 0 where rollout j ended before t tokens."""
    powers_G_T = pad_sequence([powers_T.double().cpu() for powers_T in group.score_powers()], batch_first=True)
    sums_G_T = powers_G_T.cumsum(dim=1)
    last_G_1 = sums_G_T[:, -1:] if sums_G_T.shape[1] else sums_G_T.new_zeros(group.size, 1)
    lengths_G = torch.tensor([group.length(j) for j in range(group.size)])
    return torch.cat([sums_G_T, last_G_1], dim=1) * (torch.arange(sums_G_T.shape[1] + 1) <= lengths_G[:, None])


def mean_over_rollouts(weights_G_T: Tensor, rewards_G_1: Tensor, otherwise: Tensor) -> Tensor:
    """(T,): the weighted mean reward of the rollouts at each token, and `otherwise` where all weights are 0."""
    total_T = weights_G_T.sum(dim=0)
    return torch.where(total_T > 0, (weights_G_T * rewards_G_1).sum(dim=0) / total_T.where(total_T > 0, 1.0), otherwise)


@dataclass(frozen=True)
class OptimalTokenBaseline(Estimator):
    """Group mean weighted by cumulative score power, the own rollout included."""

    name = "otb"
    information = Information.OWN_RETURN
    node_spacing = 1

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        rewards_G_1 = group.rewards_G.double().cpu()[:, None]
        values_T = mean_over_rollouts(power_weights(group), rewards_G_1, rewards_G_1.mean())
        return [values_T[list(tokens)].float() for tokens in positions]


ESTIMATORS = [OptimalTokenBaseline()]
