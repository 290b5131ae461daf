"""Hista with the distance between hidden states at the same position (paper, Table 10, "Corresponding").

The paper gives the sum over i of |x_i - y_i| and no rule for states of different length. Here, as in MinDistance, every row of the longer
counts: the rows beyond the shorter's end are compared with the shorter's last row. Otherwise `hista`. Information set: own-return.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.distances import Metric
from hista_repro.estimators.hista import Hista
from hista_repro.estimators.node_kernel import smoothed_rows
from hista_repro.estimators.nodes import Prefixes
from hista_repro.estimators.tiles import Frame, Rows, full_precision, squared_distances
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class CorrespondingHista(Hista):
    """Hista by hidden states at the same position."""

    name = "hista-corresponding"

    def distances(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        rows = smoothed_rows(group, self.layer, self.alpha, self.interval)
        return corresponding_distances(rows, queries, nodes, metric=self.metric)


def corresponding_distances(rows: Sequence[Tensor], queries: Ends, nodes: Ends, *, metric: Metric = "euclidean") -> Tensor:
    """(Q, M): for prefixes x and y, the sum over the longer's positions t of |x_min(t, |x|) - y_min(t, |y|)|; inf for an empty query."""
    device = rows[0].device
    query, node = Prefixes.of(queries, device), Prefixes.of(nodes, device)
    if not len(node.rows_S) or not query.rows_S.any():
        return torch.full((len(query.rows_S), len(node.rows_S)), inf, device=device)
    with full_precision(device):
        pooled = _Pooled.of(rows, unit=metric == "cosine")
        parts = [pooled.distances(i, query.rows_S[query.owner_S == i], node) for i in range(len(rows))]
    return torch.cat(parts).masked_fill(query.rows_S[:, None] == 0, inf)


@dataclass(frozen=True)
class _Pooled:
    """All rows of a group under one another."""

    frame: Frame
    rows: Rows  # (R,)
    starts_G: Tensor  # where the rows of each rollout begin
    lengths: list[int]

    @classmethod
    def of(cls, rows: Sequence[Tensor], *, unit: bool) -> Self:
        frame, lengths = Frame.of(rows, unit=unit), [len(rows_R_D) for rows_R_D in rows]
        starts_G = torch.tensor([0, *accumulate(lengths)][:-1], device=rows[0].device)
        return cls(frame, Rows.of(frame.normalise(torch.cat(list(rows))), frame), starts_G, lengths)

    def distances(self, i: int, lengths_Q: Tensor, node: Prefixes) -> Tensor:
        """(Q_i, M): the distances of the prefixes of rollout i that are `lengths_Q` rows long."""
        if not lengths_Q.any():
            return torch.full((len(lengths_Q), len(node.rows_S)), inf, device=lengths_Q.device)
        own_R = self.starts_G[i] + torch.arange(self.lengths[i], device=lengths_Q.device)
        starts_M = self.starts_G[node.owner_S]
        to_last_of_node_R_M = self._running_sums(own_R, starts_M + node.rows_S - 1, dim=0)
        from_last_of_query_Q_R = self._running_sums(own_R[lengths_Q - 1], slice(None), dim=1)
        lengths_Q_1 = lengths_Q[:, None]
        shared_Q_M = torch.minimum(lengths_Q_1, node.rows_S)
        at_same_position = self._same_position(i)[node.owner_S, shared_Q_M]
        beyond_node = to_last_of_node_R_M.gather(0, lengths_Q_1.expand_as(shared_Q_M)) - to_last_of_node_R_M.gather(0, shared_Q_M)
        beyond_query = from_last_of_query_Q_R.gather(1, (starts_M + node.rows_S).expand_as(shared_Q_M))
        beyond_query -= from_last_of_query_Q_R.gather(1, starts_M + shared_Q_M)
        return (at_same_position + beyond_node + beyond_query).float()

    def _running_sums(self, x: Tensor, y: Tensor | slice, dim: int) -> Tensor:
        """Float64 sums along `dim` of the distances between rows x and y, a zero in front."""
        distances = self.frame.distance(squared_distances(self.rows[x], self.rows[y]))
        return pad(distances.double().cumsum(dim=dim), (1, 0) if dim == 1 else (0, 0, 1, 0))

    def _same_position(self, i: int) -> Tensor:
        """(G, longest + 1): the sums of the distances between the first 0, 1, 2, ... rows of rollout i and of every other."""
        own_R_D = self.rows.normalised_R_D[self.starts_G[i] :][: self.lengths[i]]
        sums = []
        for start, length in zip(self.starts_G.tolist(), self.lengths, strict=True):
            both = min(length, len(own_R_D))
            squared_R = (own_R_D[:both] - self.rows.normalised_R_D[start : start + both]).square().sum(dim=1)
            sums.append(pad(self.frame.distance(squared_R).double().cumsum(dim=0), (1, max(self.lengths) - both)))
        return torch.stack(sums)


ESTIMATORS = [CorrespondingHista()]
