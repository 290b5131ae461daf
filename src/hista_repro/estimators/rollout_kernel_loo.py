"""One distance per rollout: V(s) = sum w r / sum w over the other rollouts, w = exp(-(d - d_min) / tau).

The nodes of one rollout share one reward, so that k nearest nodes may speak for a handful of rollouts. Here every other rollout speaks
once, through its node nearest to the state: d = min over its nodes of MinDistance(state, node), summed as in the paper. Weights fall
off exponentially, tau being `temperature` times the standard deviation of d over the other rollouts, so that neither model nor length
sets the scale; where all d are equal, all rollouts weigh the same. A rollout without a node says nothing; where none has one, or the
state is before its first row, the mean of the other rewards is left. Information set: siblings. Ours; kernel smoothing after Nadaraya
and Watson (1964).
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.distances import pool_distances
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.neighbours import weighted_mean
from hista_repro.estimators.node_kernel import smoothed_rows
from hista_repro.estimators.nodes import Prefixes, node_ends, spacing_for
from hista_repro.estimators.validation import check_alpha, check_at_least_one, check_positions
from hista_repro.rollouts.group import RolloutGroup

_ROUNDING = 1e-6
"""Distances that spread by less than this share of the largest are equal but for rounding."""


@dataclass(frozen=True)
class RolloutKernel(Estimator):
    """Softmax over the other rollouts by MinDistance to their nearest node."""

    name = "rollout-kernel-loo"
    information = Information.SIBLINGS
    reads_hidden = True

    alpha: float = 0.7
    interval: int = 5
    stride: int = 10
    temperature: float = 0.5
    """tau in standard deviations of the distances to the other rollouts."""
    layer: int = -1

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_at_least_one(interval=self.interval, stride=self.stride)
        if not 0 < self.temperature < inf:
            raise ValueError(f"temperature must be positive, not {self.temperature}")

    def for_length(self, tokens: int) -> Self:
        interval, stride = spacing_for(tokens)
        return replace(self, interval=interval, stride=stride)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        fallback_G = means_of_others(group.rewards_G.cpu()).float()
        rows = smoothed_rows(group, self.layer, self.alpha, self.interval)
        queries = [[t // self.interval for t in tokens] for tokens in positions]
        nodes = node_ends([len(rows_R_D) for rows_R_D in rows], self.stride)
        distances_Q_M = pool_distances(rows, queries, nodes, own=False)
        device = distances_Q_M.device
        query, node = Prefixes.of(queries, device), Prefixes.of(nodes, device)
        nearest_Q_G = torch.full((len(query.owner_S), group.size), inf, device=device)
        nearest_Q_G.scatter_reduce_(1, node.owner_S.expand_as(distances_Q_M), distances_Q_M, "amin")
        rewards_Q_G = group.rewards_G.to(nearest_Q_G).expand_as(nearest_Q_G)
        values_Q = weighted_mean(softmax_weights(nearest_Q_G, self.temperature), rewards_Q_G, fallback_G.to(device)[query.owner_S])
        return list(values_Q.to(group.rewards_G.device).split([len(tokens) for tokens in positions]))


def softmax_weights(distances_Q_G: Tensor, temperature: float) -> Tensor:
    """(Q, G): exp(-(d - d_min) / tau), tau being `temperature` standard deviations of the finite distances of the row; 0 where infinite."""
    known_Q_G = distances_Q_G < inf
    count_Q_1 = known_Q_G.sum(dim=1, keepdim=True).clamp_min(1)
    above_Q_G = torch.where(known_Q_G, distances_Q_G - distances_Q_G.amin(dim=1, keepdim=True), 0.0)
    mean_Q_1 = above_Q_G.sum(dim=1, keepdim=True) / count_Q_1
    variance_Q_1 = torch.where(known_Q_G, (above_Q_G - mean_Q_1).square(), 0.0).sum(dim=1, keepdim=True) / count_Q_1
    spread_Q_1 = variance_Q_1.sqrt()
    differ_Q_1 = spread_Q_1 > _ROUNDING * torch.where(known_Q_G, distances_Q_G, 0.0).amax(dim=1, keepdim=True)
    weights_Q_G = torch.where(differ_Q_1, (-above_Q_G / (temperature * spread_Q_1)).exp(), 1.0)
    return torch.where(known_Q_G, weights_Q_G, 0.0)


ESTIMATORS = [RolloutKernel()]
