"""Numca (paper, section 5.1, Algorithm 1): V(s) = mean final reward of the rollouts that pass through the abstract state of s.

The abstract state is the set of the numbers seen so far (`milestones`); each rollout counts once in every abstract state that it passes
through, its own rewards included. Information set: own-return, because a state that no other rollout reaches is worth the rollout's own
reward.

Where the paper is silent: the empty state, which Algorithm 1 never counts, is worth the mean of all rewards. Where it departs from the
paper, whose states hold the prompt: only the completion is read, as in the released code, so that a number of the question is a milestone
where the completion repeats it. A number counts when it is complete, so the first digit of 12 is no
milestone of the rollout; a state is read as its prefix stands, and where no rollout passed through the set that the prefix holds, as
after half a number, its previous set decides. From the released code it departs in nearly everything: see `numca_released`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Literal

import torch
from torch import Tensor

from hista_repro.estimators.abstract_states import EMPTY, VisitTable, exact_rewards, extend, path
from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.milestones import milestones, prefix_milestones
from hista_repro.estimators.numca_released import released_values
from hista_repro.estimators.validation import check_positions, check_siblings
from hista_repro.rollouts.group import RolloutGroup

Variant = Literal["paper", "leave_one_out", "released"]


def numca_values(completions: Sequence[str], rewards_G: Iterable[float], *, variant: Variant = "paper") -> list[list[tuple[int, float]]]:
    """For every rollout its abstract states in order: the character offset where each begins, and its value.

    A state begins where its newest number ends; the empty state comes first, at offset 0.
    "paper": Algorithm 1. "leave_one_out": the rollout's own reward is left out; a state that no other rollout passes through takes the
    value of the previous state, the empty state the mean of the other rewards. "released": `numca_released.released_values` with
    positions in characters.

    Raises `ValueError` for an empty group, one rollout to be left out of one, rewards of another number or not finite.
    """
    if variant == "released":
        return released_values(completions, rewards_G)
    if variant not in ("paper", "leave_one_out"):
        raise ValueError(f"variant must be 'paper', 'leave_one_out' or 'released', not {variant!r}")
    rewards = exact_rewards(completions, rewards_G)
    if variant == "leave_one_out":
        check_siblings(len(rewards))
    numbers = [milestones(text) for text in completions]
    paths = [path(number.value for number in rollout) for rollout in numbers]
    table = VisitTable(paths, rewards)
    result = []
    for i, (rollout, states) in enumerate(zip(numbers, paths, strict=True)):
        values = _path_values(table, states, without=i if variant == "leave_one_out" else None)
        steps = zip(rollout, pairwise(states), values[1:], strict=True)
        result.append([(0, values[0]), *((number.end, value) for number, (before, after), value in steps if after != before)])
    return result


def state_values(group: RolloutGroup, positions: Positions, *, leave_own_out: bool, kappa: float = 0.0) -> list[Tensor]:
    """The values of the states of `group` from the numbers in each state's own text; the table holds the rollouts' whole texts."""
    check_positions(group, positions)
    numbers = [milestones(text) for text in group.completions]
    paths = [path(number.value for number in rollout) for rollout in numbers]
    table = VisitTable(paths, exact_rewards(group.completions, group.rewards_G))
    result = []
    for i, (rollout, states) in enumerate(zip(numbers, paths, strict=True)):
        rule = {"without": i if leave_own_out else None, "kappa": kappa}
        values = _path_values(table, states, **rule)
        first = {number.value: index for index, number in reversed(list(enumerate(rollout)))}
        cuts = (group.token_ends[i][t - 1] if t else 0 for t in positions[i])
        estimates = []
        for settled, further in prefix_milestones(group.completions[i], rollout, cuts):
            state, value = states[settled], values[settled]
            for number in dict.fromkeys(milestone.value for milestone in further):
                if first.get(number, settled) >= settled:
                    state = extend(state, number)
                    value = table.value(state, value, **rule)
            estimates.append(value)
        result.append(torch.tensor(estimates, dtype=torch.float32))
    return result


def _path_values(table: VisitTable, states: Sequence[int], *, without: int | None = None, kappa: float = 0.0) -> list[float]:
    values = [table.value(EMPTY, nan, without=without)]
    for before, after in pairwise(states):
        values.append(values[-1] if after == before else table.value(after, values[-1], without=without, kappa=kappa))
    return values


@dataclass(frozen=True)
class Numca(Estimator):
    """Numca as the paper has it."""

    name = "numca"
    information = Information.OWN_RETURN

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return state_values(group, positions, leave_own_out=False)


ESTIMATORS = [Numca()]
