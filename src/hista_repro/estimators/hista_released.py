"""Hista as the authors' released code computes it. Information set: own-return.

Beside `hista`, the released code differs in this:
- the prompt's hidden states come first in every sequence, as in the paper's text, and nodes are counted from the start of the prompt: its
  first node is the first token of the completion, then every 50th token, then the last token; rows are tokens 0, 5, 10, ... (0-based);
- the moving average starts from x_0 and is then divided by 1 - alpha^t as if it had started from zero, so that it is too large at first;
- MinDistance is divided by the length of the longer sequence, and distances below 5 count as 5;
- candidates are the nodes of all rollouts; of the rollout's own the state itself, at distance 0, and all before it, but none after;
- k falls from 66 towards 6 along the rollout, in steps of floor(60 / nodes), so that it depends on the rollout's own length;
- in training the first node is worth the group mean and the last one the rollout's own reward, and the advantage of a node holds for every
  token from the node on, up to but not including the next: the node has read the first of them, and the last token has none.

Where nodes tie for the last of the k places the released code takes whichever `torch.topk` returns, and so does this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.blocks import Ends
from hista_repro.estimators.distances import Reduction, pool_distances
from hista_repro.estimators.neighbours import weighted_mean
from hista_repro.estimators.nodes import Prefixes, spacing_for
from hista_repro.estimators.smoothing import moving_average
from hista_repro.estimators.validation import check_alpha, check_at_least_one, check_finite_rows, check_positions, hidden_of_group
from hista_repro.rollouts.group import RolloutGroup

LEAST_DISTANCE = 5.0
"""`hista_min_d` of every recipe."""
LEAST_NEIGHBOURS = 6
"""`hista_min_k` of every recipe."""


def released_nodes(length: int, prompt_length: int, spacing: int = 50) -> list[int]:
    """The 0-based tokens of a sequence of `length` tokens, the prompt's first, at which the released code puts nodes."""
    grid = [*range(0, length - 1, spacing), length - 1]
    nodes = [token for token in grid if token > prompt_length - spacing]
    return [prompt_length, *nodes[1:]]


def released_node_values(
    hidden: Sequence[Tensor],
    rewards_G: Tensor,
    *,
    prompt_length: int = 0,
    alpha: float = 0.7,
    interval: int = 5,
    stride: int = 10,
    neighbours: int = 66,
    reduction: Reduction = "mean",
) -> list[Tensor]:
    """The values of the nodes of every rollout in training: group mean, one value per inner node, own reward.

    `hidden[i]` holds the rows of the prompt (the first `prompt_length`) and of the completion. The nodes are those of `released_nodes`,
    with interval * stride tokens between them.

    Raises `ValueError` for a rollout that has no token after the prompt.
    """
    if prompt_length < 0:
        raise ValueError(f"prompt_length must be at least 0, not {prompt_length}")
    if without := [i for i, hidden_T_D in enumerate(hidden) if len(hidden_T_D) <= prompt_length]:
        raise ValueError(f"hidden[{without[0]}] has {len(hidden[without[0]])} rows, none of them after prompt_length={prompt_length}")
    tokens = [released_nodes(len(hidden_T_D), prompt_length, interval * stride) for hidden_T_D in hidden]
    nodes = [[token // interval + 1 for token in places] for places in tokens]
    inner = [lengths[1:-1] for lengths in nodes]
    neighbours_Q = torch.tensor([k for lengths in inner for k in neighbour_schedule(len(lengths), neighbours)], dtype=torch.long)
    rows = [released_rows(hidden_T_D, alpha, interval) for hidden_T_D in hidden]
    inner_values, group_mean = _nearest_nodes(rows, inner, nodes, rewards_G, neighbours_Q, reduction), _group_mean(rewards_G)
    return [torch.stack([group_mean, *values, reward]) for values, reward in zip(inner_values, rewards_G, strict=True)]


def released_advantages(
    hidden: Sequence[Tensor], rewards_G: Tensor, values: Sequence[Tensor], *, prompt_length: int = 0, interval: int = 5, stride: int = 10
) -> list[Tensor]:
    """The advantage of every token of every completion before normalisation, from `released_node_values` with the same settings.

    Generalised advantage estimation over nodes with lambda = 1, as in every recipe: every token from one node up to the next has
    R - V(node); the last token has 0.
    """
    advantages = []
    for hidden_T_D, reward, values_N in zip(hidden, rewards_G, values, strict=True):
        tokens = released_nodes(len(hidden_T_D), prompt_length, interval * stride)
        spans = torch.tensor([later - earlier for earlier, later in pairwise(tokens)], dtype=torch.long, device=values_N.device)
        of_tokens = (reward - values_N[: len(spans)]).repeat_interleave(spans)
        advantages.append(torch.cat([of_tokens, of_tokens.new_zeros(len(hidden_T_D) - prompt_length - len(of_tokens))]))
    return advantages


def released_rows(hidden_T_D: Tensor, alpha: float, interval: int) -> Tensor:
    """(ceil(T / interval), D): the released moving average at tokens 0, interval, 2 interval, ..."""
    average_R_D = moving_average(hidden_T_D, alpha, first=1, interval=interval)
    tokens_R = 1 + interval * torch.arange(len(average_R_D), dtype=torch.float32, device=average_R_D.device)
    return average_R_D / (1 - alpha**tokens_R)[:, None]


def neighbour_schedule(nodes: int, neighbours: int = 66) -> list[int]:
    """k of each of a rollout's nodes: from `neighbours` down in steps of floor((neighbours - 6) / nodes)."""
    step = max(neighbours - LEAST_NEIGHBOURS, 0) // nodes if nodes else 0
    return [neighbours - step * number for number in range(nodes)]


def _nearest_nodes(
    rows: Sequence[Tensor], queries: Ends, nodes: Ends, rewards_G: Tensor, neighbours_Q: Tensor, reduction: Reduction
) -> list[Tensor]:
    """The released k-nearest-neighbour values of each rollout's queries, given by their lengths in rows like the nodes."""
    if not any(queries):
        return [rewards_G.new_zeros(0) for _ in queries]
    distances_Q_M = pool_distances(rows, queries, nodes, reduction=reduction).clamp_min(LEAST_DISTANCE)
    query, node = Prefixes.of(queries, distances_Q_M.device), Prefixes.of(nodes, distances_Q_M.device)
    own_future_Q_M = (query.owner_S[:, None] == node.owner_S) & (query.rows_S[:, None] < node.rows_S)
    distances_Q_M.masked_fill_(own_future_Q_M, inf)
    neighbours_Q = neighbours_Q.to(distances_Q_M.device)
    weights_Q_M = torch.zeros_like(distances_Q_M)
    for k in neighbours_Q.unique().tolist():
        asked = (neighbours_Q == k).nonzero()
        nearest = distances_Q_M[asked[:, 0]].topk(min(k, len(node.rows_S)), dim=1, largest=False)
        weights_Q_M[asked, nearest.indices] = 1 / nearest.values
    rewards_Q_M = rewards_G.to(distances_Q_M)[node.owner_S].expand_as(weights_Q_M)
    values_Q = weighted_mean(weights_Q_M, rewards_Q_M, distances_Q_M.new_zeros(len(weights_Q_M)))
    return list(values_Q.to(rewards_G.device).split([len(lengths) for lengths in queries]))


def _group_mean(rewards_G: Tensor) -> Tensor:
    """Taken in float64, so that equal rewards give exactly that reward."""
    return rewards_G.cpu().double().mean().to(rewards_G)


@dataclass(frozen=True)
class ReleasedHista(Estimator):
    """Hista as the released code has it in SVEB.

    The value of a state is that of the last node before the state's last token, up to 50 tokens back; every node, the first and the last
    too, is valued by its neighbours, and k falls over all of them. A state whose last token has no node before it (where the released
    code would take the value of the rollout's end) is worth the group mean. The distance below which all nodes count as equally near
    stays at 5 whatever the model and the spacing.
    """

    name = "hista-released"
    information = Information.OWN_RETURN
    reads_hidden = True

    alpha: float = 0.7
    interval: int = 5
    stride: int = 10
    neighbours: int = 66
    layer: int = -1

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_at_least_one(interval=self.interval, stride=self.stride, neighbours=self.neighbours)

    def for_length(self, tokens: int) -> Self:
        interval, stride = spacing_for(tokens)
        return replace(self, interval=interval, stride=stride)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        hidden = hidden_of_group(group, self.layer)
        prompt_length, spacing = len(hidden.prompt_T_D), self.interval * self.stride
        sequences = [torch.cat([hidden.prompt_T_D, completion]) for completion in hidden.completions]
        check_finite_rows("prompt_T_D", hidden.prompt_T_D, hidden.completions[0].shape[1])
        tokens = [released_nodes(len(rows), prompt_length, spacing) if len(rows) > prompt_length else [] for rows in sequences]
        nodes = [[token // self.interval + 1 for token in places] for places in tokens]
        before = [[_last_before(places, prompt_length + t - 1) for t in wanted] for places, wanted in zip(tokens, positions, strict=True)]
        asked = [sorted(set(numbers) - {-1}) for numbers in before]
        schedules = [neighbour_schedule(len(places), self.neighbours) for places in tokens]
        neighbours_Q = torch.tensor([schedules[i][number] for i, numbers in enumerate(asked) for number in numbers], dtype=torch.long)
        rows = [released_rows(sequence, self.alpha, self.interval) for sequence in sequences]
        queries = [[nodes[i][number] for number in numbers] for i, numbers in enumerate(asked)]
        of_nodes = _nearest_nodes(rows, queries, nodes, group.rewards_G, neighbours_Q, "mean")
        result = []
        for i, numbers in enumerate(before):
            value_of = {-1: _group_mean(group.rewards_G), **dict(zip(asked[i], of_nodes[i], strict=True))}
            result.append(torch.stack([value_of[number] for number in numbers]) if numbers else of_nodes[i].new_zeros(0))
        return result


def _last_before(tokens: Sequence[int], token: int) -> int:
    """The number of the last of `tokens` before `token`; -1 if there is none."""
    return sum(place < token for place in tokens) - 1


ESTIMATORS = [ReleasedHista()]
