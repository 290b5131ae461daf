"""Features and regression of POISE (arXiv 2605.07579), for the published prompt values and for our token values."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline

WINDOW = 10
"""Tokens whose hidden states are averaged."""
PROMPT_COMPONENTS, STATE_COMPONENTS = 32, 64
SCALARS = 3
DEPTH = 19 / 36
"""Where POISE reads Qwen3-4B: layer 19 of 36."""
_ROWS_PER_COMPONENT = 4
"""Distinct rows that a principal component takes. POISE has 64 prompts to each; with hardly more prompts than components, the last of
these have next to no variance, and standardised throw a new prompt far out."""


def read_depth(model: str) -> int:
    """The layer of the model called `model` (see `models.resolve_model`) that is as deep as the one that POISE reads."""
    from transformers import AutoConfig

    from hista_repro.models import resolve_model

    config = AutoConfig.from_pretrained(resolve_model(model), local_files_only=True)
    return max(round(DEPTH * config.get_text_config().num_hidden_layers), 1)


def mean_of_last(rows_T_D: Tensor, ends: Sequence[int]) -> Tensor:
    """(n, D): for each end the mean of the up to `WINDOW` rows before it; ends are 1 or more."""
    means = [rows_T_D[max(end - WINDOW, 0) : end].mean(dim=0) for end in ends]
    return torch.stack(means) if means else rows_T_D.new_zeros(0, rows_T_D.shape[1])


def fit_poise(features_N_F: np.ndarray, targets_N: np.ndarray, penalty: Callable[[np.ndarray], float]) -> "Pipeline":
    """Principal components of both hidden states, all standardised, and a ridge regression with the `penalty` of these features.

    A row of `features_N_F` holds the hidden state of the prompt and that of what was written, D entries each, and `SCALARS` more. NaN
    among these is a value that does not exist yet; it becomes the mean of the others.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    depth = (features_N_F.shape[1] - SCALARS) // 2
    blocks = ColumnTransformer(
        [
            ("prompt", _components(features_N_F[:, :depth], PROMPT_COMPONENTS), slice(0, depth)),
            ("state", _components(features_N_F[:, depth : 2 * depth], STATE_COMPONENTS), slice(depth, 2 * depth)),
            ("scalars", SimpleImputer(keep_empty_features=True), slice(2 * depth, None)),
        ]
    )
    standardised = make_pipeline(blocks, StandardScaler())
    reduced = standardised.fit_transform(features_N_F)
    return make_pipeline(*standardised, Ridge(penalty(reduced)).fit(reduced, targets_N))


def _components(block_N_D: np.ndarray, most: int) -> "PCA | str":
    """At most `most` principal components of the block; "drop" (of `ColumnTransformer`) where it is too small for any."""
    from sklearn.decomposition import PCA

    distinct = len(np.unique(block_N_D.sum(axis=1)))
    kept = min(most, distinct // _ROWS_PER_COMPONENT, block_N_D.shape[1])
    return PCA(kept, random_state=0) if kept else "drop"
