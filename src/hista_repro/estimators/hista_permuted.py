"""Hista with the hidden states of the other rollouts shuffled among them: a control for what the siblings' hidden states tell.

For every rollout the others change hidden states (nodes and all) in an order drawn from the seed, and keep their rewards; the rollout's
own nodes keep their own reward. What the hidden states say about rewards is lost, the leak of the own reward is not. Otherwise `hista`.
Information set: own-return. Not in the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.hista import Hista
from hista_repro.estimators.nodes import Prefixes
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed


@dataclass(frozen=True)
class PermutedHista(Hista):
    """Hista whose siblings have each other's rewards."""

    name = "hista-permuted"
    seed: int = 0

    def node_rewards(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        rewards_G_G = torch.stack([self._rewards_seen_by(group, i) for i in range(group.size)])
        query_owner_Q = Prefixes.of(queries, rewards_G_G.device).owner_S
        return rewards_G_G[query_owner_Q][:, Prefixes.of(nodes, rewards_G_G.device).owner_S]

    def _rewards_seen_by(self, group: RolloutGroup, i: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, self.name, group.prompt_id, i))
        others = torch.tensor([j for j in range(group.size) if j != i], dtype=torch.long)
        order_G = torch.arange(group.size)
        order_G[others] = others[torch.randperm(len(others), generator=generator)]
        return group.rewards_G[order_G.to(group.rewards_G.device)]


ESTIMATORS = [PermutedHista()]
