"""Where the nodes of a rollout are: the states whose hidden states are kept and whose rewards are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.validation import check_at_least_one

_NODES = 20
"""Nodes of a rollout of about a thousand tokens at the paper's spacing."""


def spacing_for(tokens: int) -> tuple[int, int]:
    """(interval, stride) for completions of typically `tokens` tokens: tokens per row, rows per node.

    The paper's 5 and 10, a node every 50 tokens, put about 20 nodes on a completion of a thousand tokens (appendix E). The rule keeps
    20 nodes on shorter completions: a node every round(tokens / 20) tokens, at least 1 and at most 50; a row every tenth of that, at
    least 1 and at most 5 tokens; and as many rows per node as come closest to it.
    """
    check_at_least_one(tokens=tokens)
    spacing = min(max(round(tokens / _NODES), 1), 50)
    interval = min(max(round(spacing / 10), 1), 5)
    return interval, max(round(spacing / interval), 1)


def node_ends(rows: Sequence[int], stride: int) -> list[range]:
    """For rollouts of `rows` rows each the lengths of their nodes, in rows: stride, 2 stride, ..."""
    check_at_least_one(stride=stride)
    return [range(stride, count + 1, stride) for count in rows]


@dataclass(frozen=True)
class Prefixes:
    """Prefixes of the rollouts of a group, in order of rollouts."""

    owner_S: Tensor
    """Whose prefix it is."""
    rows_S: Tensor
    """How long it is, in rows."""

    @classmethod
    def of(cls, ends: Sequence[Sequence[int]], device: torch.device) -> Self:
        """The prefixes whose lengths `ends` gives for each rollout."""
        owner = [i for i, lengths in enumerate(ends) for _ in lengths]
        rows = [int(length) for lengths in ends for length in lengths]
        return cls(torch.tensor(owner, dtype=torch.long, device=device), torch.tensor(rows, dtype=torch.long, device=device))
