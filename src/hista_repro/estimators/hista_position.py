"""Hista without hidden states: the distance of two states is one plus the difference of their lengths in rows.

The k nearest nodes in position, weighted by 1 / (1 + |difference of rows|), the rollout's own other nodes among them. A control: what
it gains over the group mean comes from lengths and from the rollout's own reward. Otherwise `hista`. Information set: own-return. Not in
the paper.
"""

from dataclasses import dataclass

from torch import Tensor

from hista_repro.estimators.base import Information
from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.node_kernel import NodeKernel
from hista_repro.estimators.nodes import Prefixes
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class PositionHista(NodeKernel):
    """Hista by position alone."""

    name = "hista-position"
    information = Information.OWN_RETURN

    def distances(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        device = group.rewards_G.device
        query, node = Prefixes.of(queries, device), Prefixes.of(nodes, device)
        return 1.0 + (query.rows_S[:, None] - node.rows_S).abs()


ESTIMATORS = [PositionHista()]
