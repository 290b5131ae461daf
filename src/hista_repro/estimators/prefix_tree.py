"""The prefix tree of a group: V(s) = mean final reward of the rollouts that begin with the tokens of s (Tran et al., 2025: P2T of TEMPO).

What can be known of a state from its siblings without looking inside: rollouts of one prompt that begin alike share a path of the tree,
and every node is worth the mean of the rollouts that pass through it. The rollout itself is one of them, and alone on its last part, so
that late states are worth its own reward. Information set: own-return. `prefix_tree_loo` leaves it out.

Tokens are the same where they end at the same place of the same text.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from hista_repro.estimators.abstract_states import EMPTY, VisitTable, exact_rewards
from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


def tree_paths(group: RolloutGroup) -> list[list[int]]:
    """For each rollout the node of the tree after 0, 1, 2, ... tokens; the root, in which all begin, is `EMPTY`."""
    nodes: dict[tuple[int, str], int] = {}
    paths = []
    for token_texts in _token_texts(group):
        path = [EMPTY]
        for text in token_texts:
            path.append(nodes.setdefault((path[-1], text), len(nodes) + 1))
        paths.append(path)
    return paths


def shared_by(group: RolloutGroup, positions: Positions) -> list[list[int]]:
    """For each of `positions` the number of other rollouts of `group` that begin with the tokens of the state."""
    check_positions(group, positions)
    paths = tree_paths(group)
    passing = Counter(node for path in paths for node in path)
    return [[passing[path[t]] - 1 for t in asked] for path, asked in zip(paths, positions, strict=True)]


def tree_values(group: RolloutGroup, positions: Positions, *, leave_own_out: bool, kappa: float = 0.0) -> list[Tensor]:
    """The values of `positions`: node by node along the path, (n mean + kappa V of the node before) / (n + kappa).

    A node through which the same rollouts pass as through the one before has its value, so that a long path shared by few counts once.
    """
    check_positions(group, positions)
    paths = tree_paths(group)
    table = VisitTable(paths, exact_rewards(group.completions, group.rewards_G))
    result = []
    for i, (path, asked) in enumerate(zip(paths, positions, strict=True)):
        without = i if leave_own_out else None
        values = [table.value(EMPTY, float("nan"), without=without)]
        for before, after in pairwise(path):
            parted = table.count(after, without=without) < table.count(before, without=without)
            values.append(table.value(after, values[-1], without=without, kappa=kappa) if parted else values[-1])
        result.append(torch.tensor([values[t] for t in asked], dtype=torch.float32))
    return result


def _token_texts(group: RolloutGroup) -> Iterator[list[str]]:
    for completion, ends in zip(group.completions, group.token_ends, strict=True):
        yield [completion[start:end] for start, end in pairwise([0, *ends])]


@dataclass(frozen=True)
class PrefixTree(Estimator):
    """The prefix tree with the rollout itself in it."""

    name = "prefix-tree"
    information = Information.OWN_RETURN

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return tree_values(group, positions, leave_own_out=False)


ESTIMATORS = [PrefixTree()]
