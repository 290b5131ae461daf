"""k nearest single hidden states: V(s) = sum w r / sum w over the k nearest nodes of the other rollouts, w = 1 / |h(s) - h(node)|.

A state is the hidden state of its last token alone, and so is a node, which comes every `spacing` tokens. Neighbours, ties and weights
are those of `hista-loo`, so that the two differ in the distance only: one vector in place of MinDistance over all that came before.
A state before the first token, or without a node to compare with, is worth the mean of the other rewards. Information set: siblings.
Ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.node_kernel import query_values, smoothed_rows
from hista_repro.estimators.nodes import Prefixes, node_ends, spacing_for
from hista_repro.estimators.tiles import Frame, Rows, full_precision, squared_distances
from hista_repro.estimators.validation import check_alpha, check_at_least_one, check_positions, check_siblings
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class LastTokenNeighbours(Estimator):
    """k nearest neighbours by the last token."""

    name = "last-token-knn-loo"
    information = Information.SIBLINGS
    reads_hidden = True

    alpha: float = 0.0
    """Smoothing factor; 0 takes the hidden state as it is."""
    spacing: int = 50
    """Tokens per node."""
    neighbours: int = 66
    layer: int = -1

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_at_least_one(spacing=self.spacing, neighbours=self.neighbours)

    def for_length(self, tokens: int) -> Self:
        return replace(self, spacing=prod(spacing_for(tokens)))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        check_siblings(group.size)
        rows = smoothed_rows(group, self.layer, self.alpha, interval=1)
        nodes = node_ends([len(rows_T_D) for rows_T_D in rows], self.spacing)
        distances_Q_M = _distances(rows, positions, nodes)
        rewards_M = group.rewards_G[Prefixes.of(nodes, group.rewards_G.device).owner_S]
        return query_values(distances_Q_M, positions, nodes, group.rewards_G, rewards_M, neighbours=self.neighbours, leave_own_out=True)


def _distances(rows: Sequence[Tensor], states: Positions, nodes: Positions) -> Tensor:
    """(Q, M): from the last row of every state to that of every node."""
    states_Q_D, nodes_M_D = _last_rows(rows, states), _last_rows(rows, nodes)
    if not len(nodes_M_D):  # perhaps no rows at all, and those of none have no frame
        return states_Q_D.new_zeros(len(states_Q_D), 0)
    with full_precision(states_Q_D.device):
        frame = Frame.of(rows)
        states_Q, nodes_M = (Rows.of(frame.normalise(last), frame) for last in (states_Q_D, nodes_M_D))
        return frame.distance(squared_distances(states_Q, nodes_M))


def _last_rows(rows: Sequence[Tensor], ends: Positions) -> Tensor:
    """The last row of every prefix; of an empty prefix, whose distances do not count, the first row or zeros."""
    last = []
    for rows_T_D, of_rollout in zip(rows, ends, strict=True):
        index = [max(end - 1, 0) for end in of_rollout]
        last.append(rows_T_D[index] if len(rows_T_D) else rows_T_D.new_zeros(len(index), rows_T_D.shape[1]))
    return torch.cat(last)


ESTIMATORS = [LastTokenNeighbours()]
