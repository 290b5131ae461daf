"""Token ids to text, and where in the text each token ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Decoder:
    """Decodes with one tokenizer, remembering the text of single tokens. Special tokens leave no text."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        self._pieces: dict[int, str] = {}

    def __call__(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """The text of `ids`, and the character offset at which each token ends."""
        text = self._text(ids)
        ends, end = [], 0
        for token in ids:
            if token not in self._pieces:
                self._pieces[token] = self._text([token])
            end += len(self._pieces[token])
            ends.append(end)
        if "".join(self._pieces[token] for token in ids) == text:
            return text, ends
        # Some token does not decode on its own (a character spread over several tokens, a leading space that is dropped).
        prefixes = (self._text(ids[:t]) for t in range(1, len(ids) + 1))
        return text, [len(prefix.rstrip("\N{REPLACEMENT CHARACTER}")) for prefix in prefixes]

    def _text(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
