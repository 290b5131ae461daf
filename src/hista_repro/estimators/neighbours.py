"""The weighted mean of the rewards of the nearest neighbours (paper, section 5.2): V = sum w r / sum w over the k nearest, w = 1/d."""

from math import inf

import torch
from torch import Tensor

_TIE = 2 * torch.finfo(torch.float32).eps
"""Relative difference below which two distances count as equal: nodes of the same content may differ by rounding."""
_ENTRIES_AT_ONCE = 2**24


def nearest_average(distances_Q_M: Tensor, rewards: Tensor, neighbours: int | Tensor, fallback_Q: Tensor) -> Tensor:
    """(Q,) float32: for every query the mean reward of its nearest nodes, weighted by the inverse of their distance.

    `rewards` is (M,), or (Q, M) where nodes are worth different things to different queries; `neighbours` is k, or (Q,) one for each.
    A node at distance infinity is no candidate; a query without candidates gets its `fallback_Q`. Nodes at distance zero share all
    the weight equally. Nodes that tie for the last of the k places share the places that are left equally, so that the value does not
    depend on the order of the nodes.
    """
    queries, nodes = distances_Q_M.shape
    if nodes == 0:
        return fallback_Q.float()
    k_Q = torch.as_tensor(neighbours, device=distances_Q_M.device).clamp(max=nodes).expand(queries)
    rewards_Q_M = rewards.to(distances_Q_M).expand(queries, nodes)
    values_Q = fallback_Q.to(distances_Q_M).clone()
    at_once = max(1, _ENTRIES_AT_ONCE // nodes)
    for start in range(0, queries, at_once):
        part = slice(start, start + at_once)
        weights = inverse_distance_weights(distances_Q_M[part], k_Q[part])
        values_Q[part] = weighted_mean(weights, rewards_Q_M[part], values_Q[part])
    return values_Q


def inverse_distance_weights(distances_Q_M: Tensor, k_Q: Tensor) -> Tensor:
    """(Q, M): 1/d for the k nearest of each query and 0 for the others, up to a factor of the query; ties as in `nearest_average`."""
    nearest_Q_K = distances_Q_M.topk(int(k_Q.max()), dim=1, largest=False).values
    last_Q_1 = nearest_Q_K.gather(1, k_Q[:, None] - 1)
    inside_Q_M = distances_Q_M < last_Q_1 * (1 - _TIE)
    tied_Q_M = (distances_Q_M <= last_Q_1 * (1 + _TIE)) & ~inside_Q_M
    places_Q_1 = k_Q[:, None] - inside_Q_M.sum(dim=1, keepdim=True)
    share_Q_M = inside_Q_M + tied_Q_M * (places_Q_1 / tied_Q_M.sum(dim=1, keepdim=True))
    least_Q_1 = nearest_Q_K[:, :1]
    relative_Q_M = torch.where(distances_Q_M == least_Q_1, 1.0, least_Q_1 / distances_Q_M)
    return torch.where(distances_Q_M == inf, 0.0, share_Q_M * relative_Q_M)


def weighted_mean(weights_Q_M: Tensor, rewards_Q_M: Tensor, fallback_Q: Tensor) -> Tensor:
    """(Q,): mean of `rewards_Q_M` with the given weights, `fallback_Q` where all are zero.

    Taken from the lowest reward with a weight, so that equal rewards give exactly that reward.
    """
    lowest_Q_1 = torch.where(weights_Q_M > 0, rewards_Q_M, inf).amin(dim=1, keepdim=True)
    total_Q = weights_Q_M.sum(dim=1)
    above_Q = (weights_Q_M * (rewards_Q_M - lowest_Q_1)).sum(dim=1) / total_Q
    return torch.where(total_Q > 0, lowest_Q_1[:, 0] + above_Q, fallback_Q)
