"""A linear probe: V(s) = w . h(s) + b, with h(s) the hidden state of the last token of s, fitted on rollouts of other prompts.

Ridge regression on the rewards, every spaced state of a rollout an example, clipped to [0, 1]: what a critic could know at no cost.
Information set: prefix. Not in the paper.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hista_repro.estimators.base import Information, Positions
from hista_repro.estimators.probe_features import Examples, fit_ridge, state_features
from hista_repro.estimators.state_regression import StateRegression
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Probe(StateRegression):
    """Prefix probe."""

    name = "probe"
    information = Information.PREFIX

    layer: int = -1
    components: int = 256
    """Principal components kept."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(components=self.components)

    def features(self, group: RolloutGroup, positions: Positions) -> list[np.ndarray]:
        return state_features(group, positions, self.layer)

    def regression(self, examples: Examples) -> "Pipeline":
        return fit_ridge(examples, self.components)


ESTIMATORS = [Probe()]
