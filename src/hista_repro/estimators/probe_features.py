"""What the probes are fitted on, features of states, and how: a ridge regression whose strength is chosen on held-out prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from hista_repro.estimators.base import Positions
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import Pipeline

STRENGTHS = tuple(10.0**k for k in range(-4, 4))
"""Ridge penalties to choose from, on standardised features and mean squared errors."""
_FOLDS = 3


@dataclass(frozen=True)
class Examples:
    """Rows to fit on: `features` (N, F), `targets` (N,), and the prompt that each row belongs to."""

    features: np.ndarray
    targets: np.ndarray
    prompts: np.ndarray

    @classmethod
    def gather(cls, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Self:
        """From (features, targets) of each prompt; `ValueError` for fewer than two prompts."""
        if len(parts) < 2:
            raise ValueError(f"groups holds {len(parts)} prompts, and what holds across prompts shows in two or more")
        prompts = np.repeat(np.arange(len(parts)), [len(targets) for _, targets in parts])
        return cls(np.concatenate([f for f, _ in parts]), np.concatenate([t for _, t in parts]), prompts)


def state_features(group: RolloutGroup, positions: Positions, layer: int) -> list[np.ndarray]:
    """For each rollout (n, D + 1): the hidden state of the last token of each state, and the logarithm of 1 + its length.

    The state without completion tokens has the hidden state of the last prompt token.
    """
    hidden = group.hidden(layer)
    features = []
    for rows_T_D, tokens in zip(hidden.completions, positions, strict=True):
        after_T_D = torch.cat([hidden.prompt_T_D[-1:], rows_T_D])
        chosen = torch.as_tensor(list(tokens), dtype=torch.long)
        features.append(torch.cat([after_T_D[chosen], chosen[:, None].float().log1p()], dim=1).numpy())
    return features


def spaced_positions(group: RolloutGroup, spacing: int) -> list[range]:
    """Every `spacing` tokens a state of each rollout, from the prompt on."""
    return [range(0, max(group.length(i), 1), spacing) for i in range(group.size)]


def fit_ridge(examples: Examples, components: int) -> "Pipeline":
    """Standardised features, their first `components` principal components, and `held_out_ridge`.

    The components keep their variances, so that the penalty falls on the small ones, which are rounding where rows are few.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reduction = PCA(min(components, *examples.features.shape), random_state=0)
    return make_pipeline(StandardScaler(), reduction, held_out_ridge(examples)).fit(examples.features, examples.targets)


def held_out_ridge(examples: Examples) -> "RidgeCV":
    """A ridge regression, to be fitted on `examples`, that takes the penalty with the least squared error on held-out prompts.

    The states of one rollout share its reward, so held-out rows of the same prompt would say nothing.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(min(_FOLDS, len(np.unique(examples.prompts))))
    held_out = list(folds.split(examples.features, groups=examples.prompts))
    return RidgeCV(np.array(STRENGTHS) * len(examples.targets), cv=held_out, scoring="neg_mean_squared_error")
