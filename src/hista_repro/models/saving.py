"""Saving a model and its tokenizer as one folder that any version of transformers opens."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hista_repro.files import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# transformers 5 writes its internal name for tokenizers made from tokenizer.json, which transformers 4 does not know
_TOKENIZER_CLASS = "PreTrainedTokenizerFast"


def save_model(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Write model, tokenizer and their configurations into `folder`, beside whatever else it holds.

    Files are moved into place one by one with config.json last, so a folder that holds config.json holds a whole model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        tokenizer_config = Path(scratch) / "tokenizer_config.json"
        write_json(tokenizer_config, {**read_json(tokenizer_config), "tokenizer_class": _TOKENIZER_CLASS})
        for file in sorted(Path(scratch).iterdir(), key=lambda file: file.name == "config.json"):
            os.chmod(file, 0o644)  # safetensors writes files that only their owner may read
            os.replace(file, folder / file.name)


@contextmanager
def without_bars() -> Iterator[None]:
    """Without the bars that transformers draws even for weights that are read or written in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
