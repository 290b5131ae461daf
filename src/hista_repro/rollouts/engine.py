"""What it takes to write completions: the protocol that the transformers and vLLM engines share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from hista_repro.rollouts.group import HiddenStates

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Completion:
    """What the model wrote after one prompt.

    `token_ids` are the sampled tokens without the end-of-sequence token; `token_ends[t-1]` is the character offset in `text` at which
    token t ends.
    """

    token_ids: tuple[int, ...]
    text: str
    token_ends: tuple[int, ...]
    finish_reason: FinishReason


@dataclass(frozen=True)
class Request:
    """Write one completion of `token_ids`, of at most `max_tokens` tokens."""

    token_ids: tuple[int, ...]
    max_tokens: int


class Engine(Protocol):
    """Samples completions and reads hidden states of one model."""

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt; special tokens only where `text` spells them out."""

    def sample(self, requests: Sequence[Request], *, temperature: float, stop: Sequence[str], seed: int) -> list[Completion]:
        """One completion per request, in order. A completion ends before the end-of-sequence token, or with the token that completes
        one of the `stop` strings; that token is kept in `token_ids`, the stop string is cut from `text`.

        The same requests with the same seed give the same completions, on the same machine with the same versions.
        """

    def hidden_states(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], layer: int) -> HiddenStates:
        """Hidden states of `layer` for a prompt and its completions, float32 on the CPU."""
