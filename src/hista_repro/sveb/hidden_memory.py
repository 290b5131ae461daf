"""Hidden states in memory: a build's fit for a small model, and for a large one they would take more than the machine has."""

from collections.abc import Callable, Hashable

from hista_repro.rollouts.group import HiddenStates

MOST_BYTES = 2 << 30
_LATEST = 4
"""What is in use at a time: two layers of a group, and with an independent pool those of the group that a state was cut from."""


class HiddenMemory:
    """Remembers hidden states that were read until they take `most_bytes`, and of those that come later the four latest.

    Estimators are scored on all groups of a build, one estimator after the other: were the oldest given up for the newest, each group
    would be gone when it is asked for again.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._free = most_bytes
        self._kept: dict[Hashable, HiddenStates] = {}
        self._latest: dict[Hashable, HiddenStates] = {}

    def get(self, key: Hashable, read: Callable[[], HiddenStates]) -> HiddenStates:
        """The hidden states called `key`, which `read` gives where they are not known."""
        for known in (self._kept, self._latest):
            if key in known:
                return known[key]
        hidden = read()
        size = sum(rows.nbytes for rows in (hidden.prompt_T_D, *hidden.completions))
        if size <= self._free:
            self._free -= size
            self._kept[key] = hidden
            return hidden
        while len(self._latest) >= _LATEST:
            del self._latest[next(iter(self._latest))]
        self._latest[key] = hidden
        return hidden
