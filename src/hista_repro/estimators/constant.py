"""Values of estimators that tell the states of a rollout apart by nothing."""

import torch
from torch import Tensor

from hista_repro.estimators.base import Positions
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


def constant_values(group: RolloutGroup, positions: Positions, values_G: Tensor) -> list[Tensor]:
    """`values_G[i]` at every position of rollout i."""
    check_positions(group, positions)
    return [torch.full((len(tokens),), value, dtype=torch.float32) for value, tokens in zip(values_G.tolist(), positions, strict=True)]
