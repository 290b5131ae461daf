"""POISE as published (arXiv 2605.07579): V(s) = mean of g(z_j) over the other rollouts j of the prompt, the same at every token.

z_j = (32 principal components of the prompt's hidden state, 64 of the response's, mean entropies of output, reasoning and answer), with
hidden states averaged over the last ten tokens; g is a ridge regression (penalty 100, standardised features), clipped to [0, 1] and
fitted on other prompts to the mean reward of the rollouts other than j. So g learns the value of a prompt from one rollout, and the
rollout's own features never enter its own value. Information set: siblings, whose rewards are not used. Not in the paper.

POISE refits g after every step on the newest 4096 rollouts; here it is fitted once. Its source takes the reasoning part from the
<think> block. The reasoning ends with the first </think>; where there is none, or nothing on one side of it, that part is the whole output.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.poise_features import fit_poise, mean_of_last, read_depth
from hista_repro.estimators.validation import check_siblings
from hista_repro.rollouts.group import RolloutGroup

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

_PENALTY = 100.0
_END_OF_REASONING = "</think>"


@dataclass(frozen=True)
class PoisePrompt(Estimator):
    """POISE's cross-rollout value of the prompt."""

    name = "poise-prompt"
    information = Information.SIBLINGS
    reads_hidden = True
    learns = True

    layer: int | None = None
    """None: the layer as deep as POISE's, 19 of 36, once `for_model` has named the model; the last one before."""
    fitted: "Pipeline | None" = field(default=None, repr=False, compare=False)

    def for_model(self, name: str) -> Self:
        return self if self.layer is not None else replace(self, layer=read_depth(name))

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        if len(groups) < 2:
            raise ValueError(f"groups holds {len(groups)} prompts, and what holds across prompts shows in two or more")
        features = np.concatenate([self._features(group) for group in groups])
        targets = torch.cat([means_of_others(group.rewards_G) for group in groups])
        return replace(self, fitted=fit_poise(features, targets.numpy(), lambda _: _PENALTY))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        check_siblings(group.size)
        predicted_G = torch.from_numpy(np.clip(self.fitted.predict(self._features(group)), 0, 1))
        return constant_values(group, positions, means_of_others(predicted_G))

    def _features(self, group: RolloutGroup) -> np.ndarray:
        """(G, 2 D + 3): z before its principal components are taken."""
        hidden = group.hidden(-1 if self.layer is None else self.layer)
        prompt_D = mean_of_last(hidden.prompt_T_D, [len(hidden.prompt_T_D)])[0]
        entropies = group.entropies()
        features = []
        for i, rows_T_D in enumerate(hidden.completions):
            response_D = mean_of_last(rows_T_D, [len(rows_T_D)])[0] if len(rows_T_D) else prompt_D
            features.append(torch.cat([prompt_D, response_D, _mean_entropies(entropies[i], reasoning_tokens(group, i))]))
        return torch.stack(features).numpy()


def reasoning_tokens(group: RolloutGroup, i: int) -> int:
    """The number of tokens of completion i up to the end of its reasoning; all of them where no end is marked."""
    cut = group.completions[i].find(_END_OF_REASONING)
    if cut < 0:
        return group.length(i)
    end = cut + len(_END_OF_REASONING)
    return next((t for t, token_end in enumerate(group.token_ends[i], start=1) if token_end >= end), group.length(i))


def _mean_entropies(entropies_T: Tensor, reasoning: int) -> Tensor:
    """(3,): of the output, of its first `reasoning` tokens and of the others; NaN for an output without tokens."""
    parts = (entropies_T, entropies_T[:reasoning], entropies_T[reasoning:])
    return torch.stack([(part if len(part) else entropies_T).mean() for part in parts])


ESTIMATORS = [PoisePrompt()]
