"""Hista (paper, section 5.2): V(s) = sum w r / sum w over the k nearest states of the prompt's rollouts, w = 1 / MinDistance.

Hidden states of the last layer are smoothed by an exponential moving average and kept every phi tokens; a state is the rows up to it,
and every delta tokens one is kept as a node. Nodes carry the final reward of their rollout, and "every other state" of the prompt is a
candidate: the rollout's own other nodes too, with its own reward. Information set: own-return.

Where the paper is silent: nodes at distance zero share all the weight equally (the limit of 1/d), nodes that tie for the last place
share it, a state before the first row is worth the group mean. Delta is counted in tokens, as the released code does and the numbers of
appendix E suggest (k = 66 and delta = 50 for a thousand tokens); the formula of section 5.2 counts it in rows. Where it departs from the
paper, whose states hold the prompt: rows are those of the completion. From the released code it departs in every way that
`hista_released` lists.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from hista_repro.estimators.base import Information
from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.distances import Metric, Reduction, check_reduction, pool_distances
from hista_repro.estimators.hista_released import released_node_values
from hista_repro.estimators.node_kernel import NodeKernel, query_values, smoothed_rows
from hista_repro.estimators.nodes import Prefixes, node_ends
from hista_repro.estimators.smoothing import moving_average
from hista_repro.estimators.validation import check_alpha, check_at_least_one, check_hidden, check_siblings
from hista_repro.rollouts.group import RolloutGroup

Variant = Literal["paper", "leave_one_out", "released"]


def hista_values(
    hidden: Sequence[Tensor],
    rewards_G: Tensor | Iterable[float],
    *,
    variant: Variant = "paper",
    alpha: float = 0.7,
    interval: int = 5,
    stride: int = 10,
    neighbours: int = 66,
    reduction: Reduction | None = None,
    prompt_length: int = 0,
) -> list[Tensor]:
    """The value of every node of every rollout: G tensors (N_i,), float32.

    `hidden` holds one (T_i, D) tensor per rollout, of any floating type and on any device; the values are on the device of `rewards_G`.
    Node j of rollout i is its first j * stride rows of `smooth(hidden[i], alpha, interval)`, j = 1..N_i. `reduction` is that of
    MinDistance: by default the variant's own, "sum" or, as released, "mean".

    "paper": the k nearest of every other node of the group. "leave_one_out": the same without the rollout's own nodes, so that its own
    reward never enters. "released": `hista_released.released_node_values`, where the first `prompt_length` rows of `hidden` are the
    prompt's and the nodes are those of the released code.

    Raises `ValueError`, naming argument and value, for an empty group, one rollout to be left out of one, rewards of another number,
    values that are not finite, an interval, a stride or neighbours that are no integer or below 1, an alpha outside [0, 1), or an
    unknown variant or reduction.
    """
    rewards_G = torch.as_tensor(rewards_G if isinstance(rewards_G, Tensor) else list(rewards_G), dtype=torch.float32)
    check_hidden(hidden, rewards_G)
    check_alpha(alpha)
    check_at_least_one(interval=interval, stride=stride, neighbours=neighbours)
    reduction = reduction or ("mean" if variant == "released" else "sum")
    check_reduction(reduction)
    if variant == "released":
        settings = {"alpha": alpha, "interval": interval, "stride": stride, "neighbours": neighbours, "reduction": reduction}
        return released_node_values(hidden, rewards_G, prompt_length=prompt_length, **settings)
    if variant not in ("paper", "leave_one_out"):
        raise ValueError(f"variant must be 'paper', 'leave_one_out' or 'released', not {variant!r}")
    if prompt_length:
        raise ValueError(f"prompt_length is {prompt_length}, but only variant='released' reads the prompt's rows")
    leave_own_out = variant == "leave_one_out"
    if leave_own_out:
        check_siblings(len(rewards_G))
    rows = [moving_average(hidden_T_D, alpha, first=interval, interval=interval) for hidden_T_D in hidden]
    nodes = node_ends([len(rows_R_D) for rows_R_D in rows], stride)
    distances_M_M = pool_distances(rows, nodes, nodes, reduction=reduction, own=not leave_own_out)
    rewards_M = rewards_G[Prefixes.of(nodes, rewards_G.device).owner_S]
    return query_values(distances_M_M, nodes, nodes, rewards_G, rewards_M, neighbours=neighbours, leave_own_out=leave_own_out)


@dataclass(frozen=True)
class Hista(NodeKernel):
    """Hista as the paper has it."""

    name = "hista"
    information = Information.OWN_RETURN
    reads_hidden = True

    alpha: float = 0.7
    """Smoothing factor (paper, appendix E)."""
    layer: int = -1
    """Layer of the hidden states; the last, as in the paper (Table 11 tries others)."""
    metric: Metric = "euclidean"
    """Distance of two hidden states inside MinDistance (Table 10)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_alpha(self.alpha)
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric must be one of {', '.join(get_args(Metric))}, not {self.metric!r}")

    def distances(self, group: RolloutGroup, queries: Ends, nodes: Ends) -> Tensor:
        rows = smoothed_rows(group, self.layer, self.alpha, self.interval)
        return pool_distances(rows, queries, nodes, metric=self.metric, own=self.information is not Information.SIBLINGS)


ESTIMATORS = [Hista()]
