"""What a value estimator sees: the rollouts of one prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of one layer for one group.

    Row t-1 of `completions[i]` is the state after completion token t (1-based) has been read, so the first t rows depend on the prompt
    and on the first t completion tokens only.
    """

    prompt_T_D: Tensor
    completions: tuple[Tensor, ...]  # G tensors (T_i, D)


@dataclass(frozen=True)
class RolloutGroup:
    """G rollouts of one prompt under one policy.

    A *state* is named by (i, t): the prompt and the first t tokens of completion i, with 0 <= t <= T_i.
    `token_ends[i][t-1]` is the character offset in `completions[i]` at which token t ends, so `completions[i][:end]` is the text of
    state (i, t).
    """

    prompt_id: str
    completions: tuple[str, ...]
    token_ends: tuple[Sequence[int], ...]
    rewards_G: Tensor
    prompt_token_ids: Sequence[int] | None = None
    token_ids: tuple[Sequence[int], ...] | None = None
    """Tokens of the prompt and of each completion (without the end-of-sequence token), for estimators that run a model of their own."""
    hidden_of: Callable[[int], HiddenStates] | None = None
    """layer -> hidden states. Layer -1 is the last, after the final norm; 0 the embeddings; 1..L after each block (as in transformers)."""
    entropies_of: Callable[[], tuple[Tensor, ...]] | None = None
    """-> G tensors (T_i,): entropy in nats of the policy's distribution from which each completion token was drawn."""
    score_powers_of: Callable[[], tuple[Tensor, ...]] | None = None
    """-> G tensors (T_i,): how far each completion token can move the policy (`token_distributions.score_powers`)."""
    continue_from: Callable[[int, int, int], Tensor] | None = None
    """(i, t, k) -> (k,) rewards of k fresh continuations of state (i, t), drawn apart from any reference."""

    def __post_init__(self) -> None:
        size = len(self.completions)
        if size == 0:
            raise ValueError("completions: the group is empty")
        if len(self.token_ends) != size:
            raise ValueError(f"token_ends has {len(self.token_ends)} entries for {size} completions")
        if tuple(self.rewards_G.shape) != (size,):
            raise ValueError(f"rewards_G has shape {tuple(self.rewards_G.shape)} for {size} completions")
        if not torch.isfinite(self.rewards_G).all():
            raise ValueError(f"rewards_G holds a value that is not finite: {self.rewards_G.tolist()}")

    @property
    def size(self) -> int:
        """G, the number of rollouts."""
        return len(self.completions)

    def length(self, i: int) -> int:
        """T_i, the number of tokens of completion i."""
        return len(self.token_ends[i])

    def prefix(self, i: int, t: int) -> str:
        """The completion text of state (i, t)."""
        return self.completions[i][: self.token_ends[i][t - 1]] if t else ""

    def hidden(self, layer: int = -1) -> HiddenStates:
        """Hidden states of `layer`; raises `ValueError` where the group carries none."""
        if self.hidden_of is None:
            raise ValueError(f"the group of prompt {self.prompt_id!r} carries no hidden states")
        return self.hidden_of(layer)

    def entropies(self) -> tuple[Tensor, ...]:
        """Entropies of the completion tokens; raises `ValueError` where the group carries none."""
        if self.entropies_of is None:
            raise ValueError(f"the group of prompt {self.prompt_id!r} carries no entropies")
        return self.entropies_of()

    def score_powers(self) -> tuple[Tensor, ...]:
        """Score powers of the completion tokens; raises `ValueError` where the group carries none."""
        if self.score_powers_of is None:
            raise ValueError(f"the group of prompt {self.prompt_id!r} carries no score powers")
        return self.score_powers_of()
