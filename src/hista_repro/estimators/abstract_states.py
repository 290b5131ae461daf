"""Abstract states of Numca: sets of milestones, and how rollouts that pass through them were rewarded (paper, Algorithm 1)."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction
from hashlib import blake2b
from math import isfinite

EMPTY = 0
"""The abstract state without milestones, in which every rollout begins."""


def extend(state: int, milestone: Hashable) -> int:
    """The abstract state `state` with a milestone that it does not hold.

    A set is named by the exclusive or of the 128-bit digests of its members: the order does not matter, and a step costs the same
    however large the set is.
    """
    return state ^ int.from_bytes(blake2b(str(milestone).encode(), digest_size=16).digest(), "big")


def path(milestones: Iterable[Hashable]) -> list[int]:
    """The abstract state after the first 0, 1, 2, ... milestones; a repeated one changes nothing."""
    states, seen = [EMPTY], set()
    for milestone in milestones:
        states.append(states[-1] if milestone in seen else extend(states[-1], milestone))
        seen.add(milestone)
    return states


class VisitTable:
    """The dictionary T of Algorithm 1: for every abstract state, how many rollouts pass through it and the sum of their rewards.

    Sums are exact rationals. So a value does not depend on the order of the rollouts, equal rewards give that reward and nothing
    near it, and a reward that is left out leaves no trace.
    """

    def __init__(self, paths: Sequence[Iterable[int]], rewards: Sequence[Fraction]) -> None:
        self._rewards = rewards
        self._visited = [frozenset(states) for states in paths]
        self._counts: dict[int, int] = defaultdict(int)
        self._sums: dict[int, Fraction] = defaultdict(Fraction)
        for states, reward in zip(self._visited, rewards, strict=True):
            for state in states:
                self._counts[state] += 1
                self._sums[state] += reward

    def value(self, state: int, backoff: float, *, without: int | None = None, kappa: float = 0.0) -> float:
        """(n mean + kappa backoff) / (n + kappa) over the n rollouts that pass through `state`; `backoff` where there are none.

        `without` leaves one rollout out of them.
        """
        count, total = self.count(state, without=without), self._sums.get(state, Fraction())
        if count == 0:
            return backoff
        if self._left_out(state, without):
            total -= self._rewards[without]
        mean = float(total / count)
        return mean + (backoff - mean) * kappa / (count + kappa) if kappa else mean

    def count(self, state: int, *, without: int | None = None) -> int:
        """How many rollouts pass through `state`; `without` leaves one out of them."""
        return self._counts.get(state, 0) - self._left_out(state, without)

    def _left_out(self, state: int, without: int | None) -> bool:
        return without is not None and state in self._visited[without]


def exact_rewards(completions: Sequence[str], rewards_G: Iterable[float]) -> list[Fraction]:
    """The rewards as rationals; `ValueError` for an empty group, another number of rewards, or one that is not finite."""
    rewards = [float(reward) for reward in rewards_G]
    if not completions:
        raise ValueError("completions: the group is empty")
    if len(rewards) != len(completions):
        raise ValueError(f"rewards_G has {len(rewards)} entries for {len(completions)} completions")
    if not all(map(isfinite, rewards)):
        raise ValueError(f"rewards_G holds a value that is not finite: {rewards}")
    return [Fraction(reward) for reward in rewards]
