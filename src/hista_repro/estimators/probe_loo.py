"""The leave-one-out mean plus a probe of what differs within the prompt: V(s) = m + w . (h(s) - c).

For a state of rollout i, m is the mean reward of the other rollouts and c the mean hidden state of theirs; w is fitted on other prompts,
where it predicts a rollout's reward, less the mean of its siblings', from the same differences. So the prompt's difficulty comes from
the siblings' rewards and only the rest from the state. Information set: siblings. Not in the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from hista_repro.estimators.base import Information, Positions
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.probe import Probe
from hista_repro.estimators.probe_features import Examples, fit_ridge, spaced_positions, state_features
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class LeaveOneOutProbe(Probe):
    """Within-prompt probe on top of the leave-one-out mean."""

    name = "probe-loo"
    information = Information.SIBLINGS

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        parts = []
        for group in groups:
            differences = self._differences(group, spaced_positions(group, self.spacing))
            surprise_G = group.rewards_G.double() - means_of_others(group.rewards_G)
            targets = np.repeat(surprise_G.numpy(), [len(rows) for rows in differences])
            parts.append((np.concatenate(differences), targets))
        return replace(self, fitted=fit_ridge(Examples.gather(parts), self.components))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        means_G = means_of_others(group.rewards_G).tolist()
        values = []
        for mean, rows in zip(means_G, self._differences(group, positions), strict=True):
            predicted = mean + self.fitted.predict(rows) if len(rows) else np.empty(0)
            values.append(torch.from_numpy(np.clip(predicted, 0, 1)).float())
        return values

    def _differences(self, group: RolloutGroup, positions: Positions) -> list[np.ndarray]:
        """Features of the states less the mean over the spaced states of the other rollouts."""
        spaced = state_features(group, spaced_positions(group, self.spacing), self.layer)
        sums_G_F = np.stack([rows.sum(axis=0, dtype=np.float64) for rows in spaced])
        counts_G = np.array([len(rows) for rows in spaced])
        differences = []
        for i, rows in enumerate(state_features(group, positions, self.layer)):
            others = np.arange(group.size) != i
            differences.append(rows - sums_G_F[others].sum(axis=0) / counts_G[others].sum())
        return differences


ESTIMATORS = [LeaveOneOutProbe()]
