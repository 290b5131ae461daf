"""A linear probe: V(s) = w . h(s) + b, with h(s) the hidden state of the last token of s, fitted on rollouts of other prompts.

Information set: prefix. Not in the paper; what a critic could know at no cost. Ridge regression on the rewards, every spaced state of a
rollout an example, clipped to [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.nodes import spacing_for
from hista_repro.estimators.probe_features import Examples, fit_ridge, spaced_positions, state_features
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class Probe(Estimator):
    """Prefix probe."""

    name = "probe"
    information = Information.PREFIX
    reads_hidden = True
    learns = True

    layer: int = -1
    spacing: int = 50
    """Tokens between the states of a rollout that are fitted on."""
    components: int = 256
    """Principal components kept."""
    fitted: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_at_least_one(spacing=self.spacing, components=self.components)

    def for_length(self, tokens: int) -> Self:
        interval, stride = spacing_for(tokens)
        return replace(self, spacing=interval * stride)

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        parts = []
        for group in groups:
            features = state_features(group, spaced_positions(group, self.spacing), self.layer)
            targets = np.repeat(group.rewards_G.numpy(), [len(rows) for rows in features])
            parts.append((np.concatenate(features), targets))
        return replace(self, fitted=fit_ridge(Examples.gather(parts), self.components))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        features = state_features(group, positions, self.layer)
        values = np.clip(self.fitted.predict(np.concatenate(features)), 0, 1) if any(map(len, features)) else np.empty(0)
        return list(torch.from_numpy(values).float().split([len(rows) for rows in features]))


ESTIMATORS = [Probe()]
