"""What it takes to write completions and to read them again: the protocols behind the transformers and vLLM engines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hista_repro.progress import Report
from hista_repro.rollouts.group import HiddenStates

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Request:
    """Complete `prompt`, of whose completion the first tokens are `written` already, to at most `max_tokens` tokens in all."""

    prompt: tuple[int, ...]
    max_tokens: int
    written: tuple[int, ...] = ()

    @property
    def read(self) -> tuple[int, ...]:
        """What the model reads before it writes its first token."""
        return self.prompt + self.written


@dataclass(frozen=True)
class Completion:
    """A whole completion, what was written before included.

    `token_ids` go without the end-of-sequence token; `token_ends[t-1]` is the character offset in `text` at which token t ends.
    """

    token_ids: tuple[int, ...]
    text: str
    token_ends: tuple[int, ...]
    finish_reason: FinishReason
    hidden_T_D: Tensor | None = field(default=None, compare=False)
    """Hidden states of the last layer after each token that was not written before, where they were asked for and the engine keeps them."""


class Engine(Protocol):
    """Samples completions of one model."""

    tokenizer: PreTrainedTokenizerBase
    context: int | None
    """The most tokens, prompt and completion together, that the model reads; None where it sets no limit."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt; a beginning-of-sequence token is put in front where the tokenizer wants one and the text has none."""

    report: Report
    """Called while completions are written, by engines that see each token."""

    def sample(
        self, requests: Sequence[Request], *, temperature: float, stop: Sequence[str], seed: int, keep_hidden: bool = False
    ) -> list[Completion]:
        """One completion per request, in order. A completion ends before the end-of-sequence token, or with the token that completes
        one of the `stop` strings; that token is kept in `token_ids`, the stop string is cut from `text`.

        The same requests with the same seed give the same completions, on the same machine with the same versions, whatever was sampled
        before and whether or not hidden states are kept.
        """


class Reader(Protocol):
    """Reads what one model has written."""

    def hidden_states(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], layer: int) -> HiddenStates:
        """Hidden states of `layer` for a prompt and its completions, float32 on the CPU."""

    def entropies(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float) -> tuple[Tensor, ...]:
        """G tensors (T_i,): entropy in nats of the distribution, at `temperature`, from which each completion token was drawn."""

    def score_powers(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float) -> tuple[Tensor, ...]:
        """G tensors (T_i,): `token_distributions.score_powers` of each completion token, drawn at `temperature`."""
