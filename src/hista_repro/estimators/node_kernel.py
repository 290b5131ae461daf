"""What the k-nearest-neighbour estimators share: queries are states, candidates are nodes, rewards are averaged by nearness."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import inf
from typing import Self

from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.neighbours import nearest_average
from hista_repro.estimators.nodes import Prefixes, node_ends, spacing_for
from hista_repro.estimators.smoothing import moving_average
from hista_repro.estimators.validation import check_at_least_one, check_positions, check_siblings, hidden_of_group
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class NodeKernel(Estimator):
    """Values of states from the rewards of the k nearest nodes.

    State (i, t) is the first t // interval rows of rollout i; the nodes of a rollout are its first stride, 2 stride, ... rows. In the
    siblings set a rollout's own nodes are no candidates; in the own-return set they are, apart from the one that is the state itself.
    A state without rows, or without candidates, is worth the mean of the rewards (of the other rewards, in the siblings set).
    """

    interval: int = 5
    """phi: tokens per row (paper, appendix E)."""
    stride: int = 10
    """Rows per node: the paper's delta = 50 tokens over phi."""
    neighbours: int = 66
    """k (paper, appendix E)."""

    def __post_init__(self) -> None:
        check_at_least_one(interval=self.interval, stride=self.stride, neighbours=self.neighbours)

    def for_length(self, tokens: int) -> Self:
        interval, stride = spacing_for(tokens)
        return replace(self, interval=interval, stride=stride)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        leave_own_out = self.information is Information.SIBLINGS
        if leave_own_out:
            check_siblings(group.size)
        queries = [[t // self.interval for t in tokens] for tokens in positions]
        nodes = node_ends([group.length(i) // self.interval for i in range(group.size)], self.stride)
        distances_Q_M = self.distances(group, queries, nodes)
        rewards = self.node_rewards(group, queries, nodes)
        return query_values(
            distances_Q_M, queries, nodes, group.rewards_G, rewards, neighbours=self.neighbours, leave_own_out=leave_own_out
        )

    @abstractmethod
    def distances(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        """(Q, M): distance of every query to every node, both given by their lengths in rows and taken in order of rollouts."""

    def node_rewards(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        """(M,) or (Q, M): what each node is worth (to each query)."""
        return group.rewards_G[Prefixes.of(nodes, group.rewards_G.device).owner_S]


def query_values(
    distances_Q_M: Tensor,
    queries: Ends,
    nodes: Ends,
    rewards_G: Tensor,
    node_rewards: Tensor,
    *,
    neighbours: int,
    leave_own_out: bool,
) -> list[Tensor]:
    """The values of the queries of each rollout, by the rules of `NodeKernel`, on the device of `rewards_G`."""
    device = distances_Q_M.device
    query, node = Prefixes.of(queries, device), Prefixes.of(nodes, device)
    excluded_Q_M = query.owner_S[:, None] == node.owner_S
    if not leave_own_out:
        excluded_Q_M &= query.rows_S[:, None] == node.rows_S
    excluded_Q_M |= query.rows_S[:, None] == 0
    rewards = rewards_G.cpu().double()
    fallback_G = means_of_others(rewards) if leave_own_out else rewards.mean().expand(len(rewards))
    fallback_Q = fallback_G.float().to(device)[query.owner_S]
    values_Q = nearest_average(distances_Q_M.masked_fill(excluded_Q_M, inf), node_rewards, neighbours, fallback_Q)
    return list(values_Q.to(rewards_G.device).split([len(lengths) for lengths in queries]))


def smoothed_rows(group: RolloutGroup, layer: int, alpha: float, interval: int) -> list[Tensor]:
    """The smoothed hidden states of every completion of `group`: G tensors (T_i // interval, D)."""
    completions = hidden_of_group(group, layer).completions
    return [moving_average(hidden_T_D, alpha, first=interval, interval=interval) for hidden_T_D in completions]
