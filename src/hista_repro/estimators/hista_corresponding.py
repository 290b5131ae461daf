"""Hista with the distance between hidden states at the same position (paper, Table 10, "Corresponding").

The paper gives the sum over i of |x_i - y_i| and no rule for states of different length. Here, as in MinDistance, every row of the longer
counts: the rows beyond the shorter's end are compared with the shorter's last row. Otherwise `hista`. Information set: own-return.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import pad

from hista_repro.estimators.hista import Hista
from hista_repro.estimators.node_kernel import smoothed_rows
from hista_repro.estimators.nodes import Prefixes
from hista_repro.estimators.tiles import Bank, full_precision, squared_distances
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class CorrespondingHista(Hista):
    """Hista by hidden states at the same position."""

    name = "hista-corresponding"

    def distances(self, group: RolloutGroup, queries: Sequence[Sequence[int]], nodes: Sequence[Sequence[int]]) -> Tensor:
        return corresponding_distances(smoothed_rows(group, self.layer, self.alpha, self.interval), queries, nodes)


def corresponding_distances(rows: Sequence[Tensor], queries: Sequence[Sequence[int]], nodes: Sequence[Sequence[int]]) -> Tensor:
    """(Q, M): for prefixes x and y, the sum over the longer's positions t of |x_min(t, |x|) - y_min(t, |y|)|; inf for an empty query."""
    device = rows[0].device
    query, node = Prefixes.of(queries, device), Prefixes.of(nodes, device)
    if not len(node.rows_S) or not query.rows_S.any():
        return torch.full((len(query.rows_S), len(node.rows_S)), inf, device=device)
    with full_precision(device):
        bank = Bank.of(rows)
        parts = [_from_rollout(bank, rows, i, query.rows_S[query.owner_S == i], node) for i in range(len(rows))]
    return torch.cat(parts).float().masked_fill(query.rows_S[:, None] == 0, inf)


def _from_rollout(bank: Bank, rows: Sequence[Tensor], i: int, lengths_Q: Tensor, node: Prefixes) -> Tensor:
    """(Q_i, M), in float64: the distances of the prefixes of rollout i that are `lengths_Q` rows long."""
    if not lengths_Q.any():
        return torch.full((len(lengths_Q), len(node.rows_S)), inf, dtype=torch.float64, device=lengths_Q.device)
    offsets_G = torch.tensor(bank.offsets, device=lengths_Q.device)
    starts_M = offsets_G[node.owner_S]
    own_R = torch.arange(len(rows[i]), device=lengths_Q.device) + bank.offsets[i]
    to_last_of_node_R_M = _summed(bank, own_R, starts_M + node.rows_S - 1, dim=0)
    from_last_of_query_Q_R = _summed(bank, own_R[lengths_Q - 1], torch.arange(len(bank.rows_R_D) - 1, device=lengths_Q.device), dim=1)
    longest = max(len(other) for other in rows)
    common = [(rows[i][: len(other)] - other[: len(rows[i])]).norm(dim=1).double().cumsum(dim=0) for other in rows]
    common_G_R = torch.stack([pad(sums, (1, longest - len(sums))) for sums in common])

    lengths_Q_1 = lengths_Q[:, None]
    shared_Q_M = torch.minimum(lengths_Q_1, node.rows_S)
    nodes_M = torch.arange(len(starts_M), device=lengths_Q.device)
    queries_Q_1 = torch.arange(len(lengths_Q), device=lengths_Q.device)[:, None]
    longer_query = to_last_of_node_R_M[lengths_Q_1, nodes_M] - to_last_of_node_R_M[shared_Q_M, nodes_M]
    longer_node = from_last_of_query_Q_R[queries_Q_1, starts_M + node.rows_S] - from_last_of_query_Q_R[queries_Q_1, starts_M + shared_Q_M]
    return common_G_R[node.owner_S, shared_Q_M] + longer_query + longer_node


def _summed(bank: Bank, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """Running sums along `dim` of the distances between rows x and y of the bank, with a zero in front."""
    distances = bank.distance(squared_distances(bank.select(x), bank.select(y)))
    return pad(distances.double().cumsum(dim=dim), (1, 0) if dim == 1 else (0, 0, 1, 0))


ESTIMATORS = [CorrespondingHista()]
