"""Control arms: advantages that shrink along a rollout for a reason that has nothing to do with credit.

An estimator that lets the own return R into its values, V = w R + (1 - w) V', gives the advantage R - V = (1 - w) (R - V'), and w grows
towards the end of a rollout. So whatever such values are worth, training with them damps late tokens. The arms keep the damping and drop
the credit: the leave-one-out advantage times 1 - u, with u the share of the rollout that was written, or times 1 - w.
"""

from collections.abc import Callable, Sequence
from itertools import starmap

import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Positions
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.sveb.own_weight import own_weights

Damping = Callable[[RolloutGroup, Positions], list[Tensor]]
"""(group, positions of nodes) -> for each rollout by what the advantage of each node is multiplied."""


def by_position(group: RolloutGroup, positions: Positions) -> list[Tensor]:
    """1 - u, u = t / T: what the ramp does to the advantage."""
    return [1 - torch.tensor(list(tokens), dtype=torch.float32) / max(group.length(i), 1) for i, tokens in enumerate(positions)]


def by_own_weight(estimator: Estimator) -> Damping:
    """1 - w, with w the weight of the own reward in the values of `estimator`, which must be linear in the rewards.

    Raises `Refused` for one that learns, as `own_weights` does; what it makes raises that for one that is not linear.
    """
    if estimator.learns:
        raise Refused(f"{estimator.name} learns from other rewards, so none has a weight to damp by; choose another damping_estimator")
    return lambda group, positions: [1 - weights for weights in own_weights(estimator, group, positions)]


def damped(advantages: Sequence[Tensor], factors: Sequence[Tensor], spacing: int) -> list[Tensor]:
    """The advantages of actions (A_i,) times the factors of their nodes (N_i,)."""
    return list(starmap(lambda a, f: a * f.repeat_interleave(spacing)[: len(a)], zip(advantages, factors, strict=True)))
