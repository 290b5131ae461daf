"""Token ids to text, where in the text each token ends, and where a completion does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hista_repro.rollouts.engine import Completion

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[int, ...]:
    """Token ids of a prompt; a beginning-of-sequence token is put in front where the tokenizer wants one and the text has none."""
    spelled_out = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    return tuple(tokenizer(text, add_special_tokens=not spelled_out)["input_ids"])


def ends_of_sequence(config: "GenerationConfig", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens of which each ends a completion: those of the model's generation configuration and that of the tokenizer."""
    eos = config.eos_token_id
    return sorted({*(eos if isinstance(eos, list) else [eos]), tokenizer.eos_token_id} - {None})


def generation_config(folder: Path) -> "GenerationConfig":
    """That of the model in `folder`."""
    from transformers import AutoConfig, GenerationConfig

    try:
        return GenerationConfig.from_pretrained(folder, local_files_only=True)
    except OSError:  # a model without one, for which transformers takes these settings from the model's configuration
        return GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, local_files_only=True))


class Decoder:
    """Decodes with one tokenizer, remembering the text of single tokens. Special tokens leave no text; those of `eos` end a completion."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", eos: Sequence[int]) -> None:
        self.tokenizer = tokenizer
        self._eos = frozenset(eos)
        self._pieces: dict[int, str] = {}

    def completion(self, ids: Sequence[int], stop: Sequence[str]) -> Completion:
        """What `ids` hold up to the first end-of-sequence token or `stop` string, by the rules of `Engine.sample`."""
        end = next((t for t, token in enumerate(ids) if token in self._eos), None)
        ids, finished = ids[:end], end is not None
        text, ends = self(ids)
        for string in stop:
            if (cut := text.find(string)) >= 0:
                last = next(t for t, end in enumerate(ends) if end >= cut + len(string))
                ids, ends, text, finished = ids[: last + 1], ends[: last + 1], text[:cut], True
        return Completion(tuple(ids), text, tuple(min(end, len(text)) for end in ends), "stop" if finished else "length")

    def watch(self, stop: Sequence[str], written: Sequence[Sequence[int]]) -> Callable[[int, int], bool]:
        """Told, token by token, what is written after each of `written`: a function of row and token that says whether that ends the row.

        It may miss a stop string in which tokens decode otherwise than on their own; `completion` finds each.
        """
        longest = max(map(len, stop), default=1)
        rows = [list(ids) for ids in written]
        # the last characters of each row by single tokens, one too few for a stop string
        tails = ["".join(map(self._piece, ids[-longest:]))[1 - longest :] if longest > 1 else "" for ids in rows]

        def ends(row: int, token: int) -> bool:
            rows[row].append(token)
            tail = tails[row] + self._piece(token)
            tails[row] = tail[1 - longest :] if longest > 1 else ""
            if token in self._eos:
                return True
            # tokens may decode otherwise together
            return any(string in tail for string in stop) and any(string in self._text(rows[row]) for string in stop)

        return ends

    def __call__(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """The text of `ids`, and the character offset at which each token ends."""
        text = self._text(ids)
        ends, end = [], 0
        for token in ids:
            end += len(self._piece(token))
            ends.append(end)
        if "".join(self._pieces[token] for token in ids) == text:
            return text, ends
        # Some token does not decode on its own (a character spread over several tokens, a leading space that is dropped).
        prefixes = (self._text(ids[:t]) for t in range(1, len(ids) + 1))
        return text, [len(prefix.rstrip("\N{REPLACEMENT CHARACTER}")) for prefix in prefixes]

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = self._text([token])
        return self._pieces[token]

    def _text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
