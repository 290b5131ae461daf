"""POISE's features of a state in place of a rollout: V(s) = g(z(s)). Ours, not POISE's, whose values do not depend on the token.

z(s) = (32 principal components of the prompt's hidden state, 64 of the state's, the mean entropy of the tokens written so far and that
of the last one, the logarithm of 1 + their number); hidden states are averaged over the last ten tokens of the prompt and of the state,
which early on begin in the prompt and before the first token are the prompt's. g is a ridge regression, fitted on other prompts to the
rollout's own reward, every spaced state an example; its penalty is chosen on held-out prompts, since POISE's fixed 100 is next to none
for so many rows of so few prompts. Entropies that do not exist yet are taken for average. Information set: prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from hista_repro.estimators.base import Information, Positions
from hista_repro.estimators.poise_features import fit_poise, mean_of_last, read_depth
from hista_repro.estimators.probe_features import Examples, held_out_penalty
from hista_repro.estimators.state_regression import StateRegression
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class PoiseToken(StateRegression):
    """A prefix probe on POISE's features."""

    name = "poise-token"
    information = Information.PREFIX

    layer: int | None = None
    """None: as in `poise-prompt`."""

    def for_model(self, name: str) -> Self:
        return self if self.layer is not None else replace(self, layer=read_depth(name))

    def features(self, group: RolloutGroup, positions: Positions) -> list[np.ndarray]:
        hidden = group.hidden(-1 if self.layer is None else self.layer)
        length = len(hidden.prompt_T_D)
        prompt_1_D = mean_of_last(hidden.prompt_T_D, [length])
        features = []
        for rows_T_D, entropies_T, tokens in zip(hidden.completions, group.entropies(), positions, strict=True):
            state_n_D = mean_of_last(torch.cat([hidden.prompt_T_D, rows_T_D]), [length + t for t in tokens])
            row = [prompt_1_D.expand_as(state_n_D), state_n_D, _scalars(entropies_T, tokens)]
            features.append(torch.cat(row, dim=1).numpy())
        return features

    def regression(self, examples: Examples) -> "Pipeline":
        def penalty(reduced: np.ndarray) -> float:
            return held_out_penalty(replace(examples, features=reduced))

        return fit_poise(examples.features, examples.targets, penalty)


def _scalars(entropies_T: Tensor, tokens: Sequence[int]) -> Tensor:
    """(n, 3): mean entropy of the first t tokens, entropy of token t, and log(1 + t); the entropies are NaN for t = 0."""
    unknown = entropies_T.new_full((1,), torch.nan)
    written_n = torch.as_tensor(list(tokens), dtype=torch.long)
    last_T = torch.cat([unknown, entropies_T])
    mean_T = torch.cat([unknown, entropies_T.cumsum(0) / torch.arange(1, len(entropies_T) + 1)])
    return torch.stack([mean_T[written_n], last_T[written_n], written_n.float().log1p()], dim=1)


ESTIMATORS = [PoiseToken()]
