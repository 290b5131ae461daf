r"""Numca as the authors' released code computes it for training (repository VOXXXX1874/Hista at 6f4ae4e).

Numbers are the matches of `\d+`, compared as text (3.14 is "3" and "14", 07 is not 7), and the last number of a completion is dropped.
The abstract state is the set of numbers so far, with the empty set as root; its value is the mean reward of the rollouts that reach it,
the rollout itself included. Numbers less than 50 tokens before the next one move to the place of the next one, later states overwriting
earlier ones there; repeated numbers, which make no state, move others too. A state holds from the token after the first token of its
number on, and is the baseline until the next state begins.

Information set: own-return, and the rollout's own future as well, which decides what the last number is and where numbers move to.

Not covered: the table lives for one call, where the release keeps it for the whole run and mixes in rewards of earlier policies; token
ends are the rollout's own, where the release tokenises the text again; the release's benchmark code rebuilds a value from its
differences and loses the second of two equal ones. (Its training code does not run: it calls a method that its class lacks.)
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.abstract_states import EMPTY, VisitTable, exact_rewards, path
from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.nodes import spacing_for
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup

SPACING = 50
"""Tokens in training, characters in the release's benchmark code (`merge_close_positions(threshold=50)`)."""

_DIGITS = re.compile(r"\d+")


def released_values(
    completions: Sequence[str],
    rewards_G: Iterable[float],
    *,
    token_ends: Sequence[Sequence[int]] | None = None,
    spacing: int = SPACING,
) -> list[list[tuple[int, float]]]:
    """For every rollout its abstract states in order: where each begins to hold, and its value.

    Positions and `spacing` are in characters, as in the release's benchmark code, where a state begins at its number; with `token_ends`,
    the character offset where each token of each completion ends, they are in tokens, as in its training code.
    """
    rewards = exact_rewards(completions, rewards_G)
    numbers = [list(_DIGITS.finditer(text))[:-1] for text in completions]
    paths = [path(match[0] for match in rollout) for rollout in numbers]
    table = VisitTable(paths, rewards)
    result = []
    for i, (rollout, states) in enumerate(zip(numbers, paths, strict=True)):
        places = [match.start() for match in rollout]
        if token_ends is not None:
            places = [bisect_right(token_ends[i], place) + 1 for place in places]
        begins = {0: EMPTY}
        for place, before, after in zip(merge_close(places, spacing), states, states[1:], strict=False):
            if after != before:
                begins[place] = after
        result.append([(place, table.value(state, nan)) for place, state in begins.items()])
    return result


def merge_close(places: Sequence[int], spacing: int) -> list[int]:
    """From the last place to the first: one less than `spacing` before the next moves onto it."""
    merged = list(places)
    for index in reversed(range(len(merged) - 1)):
        if merged[index + 1] - merged[index] < spacing:
            merged[index] = merged[index + 1]
    return merged


@dataclass(frozen=True)
class NumcaReleased(Estimator):
    """The value of the abstract state that the release takes as baseline for the token after each state."""

    spacing: int = SPACING

    name = "numca-released"
    information = Information.OWN_RETURN

    def for_length(self, tokens: int) -> Self:
        interval, stride = spacing_for(tokens)
        return replace(self, spacing=interval * stride)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        tables = released_values(group.completions, group.rewards_G, token_ends=group.token_ends, spacing=self.spacing)
        result = []
        for states, tokens in zip(tables, positions, strict=True):
            begins = [begin for begin, _ in states]
            result.append(torch.tensor([states[bisect_right(begins, t) - 1][1] for t in tokens], dtype=torch.float32))
        return result


ESTIMATORS = [NumcaReleased()]
