"""The leave-one-out mean plus a probe of what differs within the prompt: V(s) = m + w . (h(s) - c) + b, clipped to [0, 1].

For a state of rollout i, m is the mean reward of the other rollouts and c the mean hidden state of theirs; w and b are fitted on other
prompts, where they predict a rollout's reward, less the mean of its siblings', from the same differences. So the prompt's difficulty
comes from the siblings' rewards and only the rest from the state. Information set: siblings. Not in the paper.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hista_repro.estimators.base import Information, Positions
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.probe import Probe
from hista_repro.estimators.probe_features import spaced_positions
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class LeaveOneOutProbe(Probe):
    """Within-prompt probe on top of the leave-one-out mean."""

    name = "probe-loo"
    information = Information.SIBLINGS

    def offsets(self, group: RolloutGroup) -> Tensor:
        return means_of_others(group.rewards_G)

    def features(self, group: RolloutGroup, positions: Positions) -> list[np.ndarray]:
        """Features of the states less the mean over the spaced states of the other rollouts."""
        spaced = super().features(group, spaced_positions(group, self.spacing))
        sums_G_F = np.stack([rows.sum(axis=0, dtype=np.float64) for rows in spaced])
        counts_G = np.array([len(rows) for rows in spaced])
        differences = []
        for i, rows in enumerate(super().features(group, positions)):
            others = np.arange(group.size) != i
            differences.append(rows - sums_G_F[others].sum(axis=0) / counts_G[others].sum())
        return differences


ESTIMATORS = [LeaveOneOutProbe()]
