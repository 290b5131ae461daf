"""From the values of states to an advantage for every token.

A completion of A actions (its tokens, the end-of-sequence token included) has nodes at the states before action 0, s, 2s, ... with s the
spacing. The advantages of the nodes are those of generalised advantage estimation over nodes, with the reward after the last action, and
every action has the advantage of the last node at or before it. With lam = 1 that is A_t = R - V(node of t).
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator
from hista_repro.estimators.gae import generalized_advantages
from hista_repro.estimators.nodes import spacing_for
from hista_repro.estimators.validation import check_at_least_one

AdvantageScale = Literal["none", "group", "batch", "loo"]
"""By which standard deviation of rewards advantages are divided.

"none": by nothing (Dr. GRPO), which adds no bias. "group": of the rollout's group, as GRPO does; the own reward is in it,
and prompts are weighted by 1 / std. "batch": of all rewards of the batch. "loo": of the other rewards of the group, so that the own
reward does not decide its own scale. Rewards that are all equal tell no scale, and nothing is divided by theirs. TRL divides by
`SCALE_EPSILON` there, and since its advantages are then 0, that makes no difference; those of a value that was not taken from these
rewards (of a probe, of fresh continuations) are not.
"""
_SMALLEST_GROUP = {"none": 1, "group": 2, "batch": 2, "loo": 3}
SCALE_EPSILON = 1e-4
"""What is added to a standard deviation before dividing, as TRL adds it."""


def node_spacing_of(estimator: Estimator | None, longest: int) -> int:
    """The spacing that the estimator asks for, or for completions of at most `longest` tokens the paper's 50, less for short ones."""
    asked = None if estimator is None else estimator.node_spacing
    return prod(spacing_for(longest)) if asked is None else asked


def node_positions(actions: Sequence[int], spacing: int) -> list[range]:
    """For completions of so many actions, the number of tokens before each of their nodes: 0, spacing, 2 spacing, ..."""
    check_at_least_one(spacing=spacing)
    return [range(0, count, spacing) for count in actions]


def token_advantages(
    values: Sequence[Tensor], rewards_G: Tensor, actions: Sequence[int], *, spacing: int, lam: float = 1.0
) -> list[Tensor]:
    """The advantage of every action: G float32 tensors (A_i,), on the CPU.

    `values` holds the values at `node_positions(actions, spacing)`. Raises `ValueError`, naming argument and value, where their numbers
    differ, and for a `lam` outside [0, 1].
    """
    nodes = [len(positions) for positions in node_positions(actions, spacing)]
    if [len(values_N) for values_N in values] != nodes:
        raise ValueError(f"values has {[len(values_N) for values_N in values]} entries for completions with {nodes} nodes")
    if tuple(rewards_G.shape) != (len(nodes),):
        raise ValueError(f"rewards_G has shape {tuple(rewards_G.shape)} for {len(nodes)} completions")
    if 0 in nodes:
        raise ValueError(f"actions[{nodes.index(0)}] is 0; a completion has at least the token at which it ends")
    values_G_N = pad_sequence([values_N.cpu() for values_N in values], batch_first=True)
    advantages_G_N = generalized_advantages(values_G_N, rewards_G.cpu(), torch.tensor(nodes) - 1, lam)
    return [row_N.repeat_interleave(spacing)[:count] for row_N, count in zip(advantages_G_N, actions, strict=True)]


def reward_scales(rewards_P_G: Tensor, scale: AdvantageScale) -> Tensor:
    """(P, G) float64: what the advantages of each rollout are divided by. Raises as `check_scale` does."""
    size = rewards_P_G.shape[1]
    check_scale(scale, size)
    rewards_P_G = rewards_P_G.double()
    match scale:
        case "none":
            return torch.ones_like(rewards_P_G)
        case "loo":
            telling = torch.stack([rewards_P_G[:, torch.arange(size) != i] for i in range(size)], dim=1)
        case "group":
            telling = rewards_P_G[:, None]
        case "batch":
            telling = rewards_P_G.reshape(1, 1, -1)
    equal = telling.amin(dim=-1) == telling.amax(dim=-1)  # where a deviation may be 0 but for rounding
    return torch.where(equal, 1.0, telling.std(dim=-1) + SCALE_EPSILON).expand_as(rewards_P_G)


def check_scale(scale: str, size: int) -> None:
    """`Refused` for an unknown scale, and for groups of too few rollouts to have one."""
    if scale not in _SMALLEST_GROUP:
        raise Refused(f"advantage_scale must be one of {', '.join(_SMALLEST_GROUP)}, not {scale!r}")
    if size < _SMALLEST_GROUP[scale]:
        raise Refused(
            f"advantage_scale {scale!r} needs groups of at least {_SMALLEST_GROUP[scale]} rollouts, not {size}; draw more, or choose 'none'"
        )


def check_lambda(lam: float) -> None:
    """`Refused` for a lambda outside [0, 1]."""
    if not 0 <= lam <= 1:
        raise Refused(f"gae_lambda must be between 0 and 1, not {lam}")
