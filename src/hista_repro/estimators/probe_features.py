"""What the learned estimators share: features of states, and ridge regressions whose strength is chosen on held-out prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hista_repro.estimators.base import Positions
from hista_repro.estimators.checks import check_positions
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STRENGTHS = tuple(10.0**k for k in range(0, 7))
"""Ridge penalties to choose from, on standardised features and summed squared errors."""
_FOLDS = 3


@dataclass(frozen=True)
class Examples:
    """Rows to fit on: `features` (N, F), `targets` (N,), and the prompt that each row belongs to."""

    features: np.ndarray
    targets: np.ndarray
    prompts: np.ndarray

    @classmethod
    def gather(cls, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> "Examples":
        """From (features, targets) of each prompt."""
        prompts = np.repeat(np.arange(len(parts)), [len(targets) for _, targets in parts])
        return cls(np.concatenate([f for f, _ in parts]), np.concatenate([t for _, t in parts]), prompts)


def state_features(group: RolloutGroup, positions: Positions, layer: int) -> list[np.ndarray]:
    """For each rollout (n, D + 1): the hidden state of the last token of each state, and the logarithm of 1 + its length.

    The state without completion tokens has the hidden state of the last prompt token.
    """
    check_positions(group, positions)
    hidden = group.hidden(layer)
    features = []
    for rows_T_D, tokens in zip(hidden.completions, positions, strict=True):
        after_T_D = torch.cat([hidden.prompt_T_D[-1:], rows_T_D])
        chosen = torch.as_tensor(list(tokens), dtype=torch.long)
        features.append(torch.cat([after_T_D[chosen], chosen[:, None].float().log1p()], dim=1).numpy())
    return features


def spaced_positions(group: RolloutGroup, spacing: int) -> list[range]:
    """Every `spacing` tokens a state of each rollout, from the prompt on; all states weigh the same when they are fitted on."""
    return [range(0, max(group.length(i), 1), spacing) for i in range(group.size)]


def fit_ridge(examples: Examples, components: int) -> "Pipeline":
    """Standardised features, their first `components` principal components, and a ridge regression.

    The penalty is the one of `STRENGTHS` with the least squared error on held-out prompts: nodes of one rollout share its reward, so
    held-out rows of the same prompt would say nothing.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(_FOLDS, len(np.unique(examples.prompts)))
    if folds < 2:
        raise ValueError(f"groups holds {folds} prompt, and the penalty is chosen on held-out prompts")
    kept = min(components, *examples.features.shape)
    pipeline = make_pipeline(StandardScaler(), PCA(kept, random_state=0), StandardScaler(), Ridge())
    search = GridSearchCV(pipeline, {"ridge__alpha": STRENGTHS}, scoring="neg_mean_squared_error", cv=GroupKFold(folds))
    return search.fit(examples.features, examples.targets, groups=examples.prompts).best_estimator_
