"""What the probes are fitted on, features of states, and how: a ridge regression whose strength is chosen on held-out prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from hista_repro.estimators.base import Positions
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
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
    """Standardised features, their first `components` principal components, and a ridge regression with `held_out_penalty`.

    The components keep their variances, so that the penalty falls on the small ones, which are rounding where rows are few.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reduction = make_pipeline(StandardScaler(), PCA(min(components, *examples.features.shape), random_state=0))
    reduced = reduction.fit_transform(examples.features)
    ridge = Ridge(held_out_penalty(replace(examples, features=reduced))).fit(reduced, examples.targets)
    return make_pipeline(*reduction, ridge)


def held_out_penalty(examples: Examples) -> float:
    """The ridge penalty, of `STRENGTHS` times the number of rows, with the least mean squared error on held-out prompts.

    The states of one rollout share its reward, so held-out rows of the same prompt would say nothing. All that a fit and its error depend
    on are sums of products: they are taken once for each fold, where refitting would take them for each fold and penalty, which a trainer
    waits for after every step.
    """
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(min(_FOLDS, len(np.unique(examples.prompts))))
    rows_N_E = np.column_stack([examples.features, np.ones(len(examples.targets)), examples.targets]).astype(np.float64)
    held_out_rows = (rows_N_E[held_out] for _, held_out in folds.split(rows_N_E, groups=examples.prompts))
    products = [rows_n_E.T @ rows_n_E for rows_n_E in held_out_rows]
    all_E_E = sum(products)
    penalties_P = np.array(STRENGTHS) * len(examples.targets)
    errors_P = np.zeros(len(penalties_P))
    for held_out_E_E in products:
        residuals_E_P = _ridge_residuals(all_E_E - held_out_E_E, penalties_P)
        errors_P += np.einsum("ep,ef,fp->p", residuals_E_P, held_out_E_E, residuals_E_P) / held_out_E_E[-2, -2]
    return float(penalties_P[errors_P.argmin()])


def _ridge_residuals(products_E_E: np.ndarray, penalties_P: np.ndarray) -> np.ndarray:
    """(E, P): times a row (features, 1, target), the residual under each penalty of the ridge regression on rows with these products."""
    count, sums_F, sum_of_targets = products_E_E[-2, -2], products_E_E[-2, :-2], products_E_E[-2, -1]
    scatter_F_F = products_E_E[:-2, :-2] - np.outer(sums_F, sums_F) / count
    variances_F, directions_F_F = np.linalg.eigh(scatter_F_F)
    along_F = directions_F_F.T @ (products_E_E[:-2, -1] - sums_F * sum_of_targets / count)
    weights_F_P = directions_F_F @ (along_F[:, None] / (variances_F[:, None] + penalties_P))
    intercepts_P = (sum_of_targets - sums_F @ weights_F_P) / count
    return np.concatenate([-weights_F_P, -intercepts_P[None], np.ones((1, len(penalties_P)))])
