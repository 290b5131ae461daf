"""Estimators that learn, during training: fitted on what was drawn before, asked about what is drawn now.

As in POISE (arXiv 2605.07579): a buffer of the newest 4096 rollouts, refitted after every generation step, and the leave-one-out mean until
there is something to fit on. What an estimator is asked about is never in what it was fitted on, so its values depend on the state (and,
in the siblings set, on the others) alone.
"""

from collections import deque
from collections.abc import Sequence

from torch import Tensor

from hista_repro.estimators.base import Estimator, Positions
from hista_repro.estimators.loo_mean import LeaveOneOutMean
from hista_repro.rollouts.group import RolloutGroup

_PROMPTS_NEEDED = 2
"""What holds across prompts shows in two or more."""


class RefittedEstimator:
    """`estimator`, fitted anew on the groups of the newest `capacity` rollouts whenever it has learnt."""

    def __init__(self, estimator: Estimator, capacity: int = 4096) -> None:
        self.estimator = estimator
        self.capacity = capacity
        self.fitted: Estimator = LeaveOneOutMean()
        """What values are asked of now."""
        self._groups: deque[RolloutGroup] = deque()

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return self.fitted.values(group, positions)

    def learn(self, groups: Sequence[RolloutGroup]) -> None:
        """Take up `groups` and fit; the oldest groups beyond `capacity` rollouts are forgotten."""
        self._groups.extend(groups)
        while len(self._groups) > 1 and sum(group.size for group in self._groups) > self.capacity:
            self._groups.popleft()
        if len(self._groups) >= _PROMPTS_NEEDED:
            self.fitted = self.estimator.fit(list(self._groups))
