"""What the probes share: a regression from features of a state to the reward of its rollout, fitted on other prompts."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Positions
from hista_repro.estimators.nodes import spacing_for
from hista_repro.estimators.probe_features import Examples, spaced_positions
from hista_repro.estimators.validation import check_at_least_one, check_positions
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class StateRegression(Estimator):
    """V(s) = offset + f(features of s), clipped to [0, 1], with f fitted to the rewards less their offsets."""

    reads_hidden = True
    learns = True

    spacing: int = 50
    """Tokens between the states of a rollout that are fitted on; all states weigh the same."""
    fitted: "Pipeline | None" = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        check_at_least_one(spacing=self.spacing)

    def for_length(self, tokens: int) -> Self:
        return replace(self, spacing=prod(spacing_for(tokens)))

    @abstractmethod
    def features(self, group: RolloutGroup, positions: Positions) -> list[np.ndarray]:
        """For each rollout (n, F): the features of each of its `positions`."""

    @abstractmethod
    def regression(self, examples: Examples) -> "Pipeline":
        """f, fitted on `examples`."""

    def offsets(self, group: RolloutGroup) -> Tensor:
        """(G,) float64: what is known of each rollout's states before their features are looked at."""
        return torch.zeros(group.size, dtype=torch.float64)

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        parts = []
        for group in groups:
            targets_G = (group.rewards_G.double() - self.offsets(group)).numpy()
            features = self.features(group, spaced_positions(group, self.spacing))
            parts.append((np.concatenate(features), np.repeat(targets_G, [len(rows) for rows in features])))
        return replace(self, fitted=self.regression(Examples.gather(parts)))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        values = []
        for offset, rows in zip(self.offsets(group).tolist(), self.features(group, positions), strict=True):
            predicted = offset + self.fitted.predict(rows) if len(rows) else np.empty(0)
            values.append(torch.from_numpy(np.clip(predicted, 0, 1)).float())
        return values
