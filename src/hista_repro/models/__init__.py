"""A name becomes a model: bundled names, local folders, GGUF files and ids of the Hugging Face hub.

`tiny` ships with the package; `hista_repro.models.tiny_recipe` trains it. The other bundled names come out of wheels of the package
registry: `wheels.yaml` has one row for each.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hista_repro.errors import Refused, first_line
from hista_repro.models import wheels
from hista_repro.models.gguf_files import gguf_folder, unpack_once
from hista_repro.models.saving import without_bars
from hista_repro.progress import announce

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BUNDLED = ("tiny", *wheels.table())
"""Names that need no access to the hub."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_HUB_FILES = ["*.json", "*.jinja", "*.model", "*.txt", "*.safetensors"]


def resolve_model(name: str) -> Path:
    """The folder of a model that transformers opens.

    Args:
        name: a bundled name, a local folder that holds config.json, a GGUF file (its name ends in .gguf), or a hub id. The hub is asked for
            hub ids, and for a bundled name whose packages are not installed if its row of `wheels.yaml` names a hub id.

    Raises:
        Refused: where no such model can be had.
    """
    if name == "tiny":
        return Path(str(files("hista_repro.models") / "tiny"))
    if name in wheels.table():
        return _from_wheels(wheels.table()[name])
    path = Path(name).expanduser()
    if name and path.is_dir():
        if not (path / "config.json").is_file():
            raise Refused(f"the folder {name} holds no config.json, so it is no model; name a folder saved by transformers")
        return path.resolve()
    if is_gguf(name):
        return gguf_folder(path)
    if not _HUB_ID.fullmatch(name):
        raise Refused(f"there is no model folder {name!r}; name a folder, a .gguf file, a hub id, or one of {', '.join(BUNDLED)}")
    return _download(name, f"{name!r} is neither one of {', '.join(BUNDLED)} nor a local folder")


def is_here(name: str) -> bool:
    """Whether the model called `name` can be had without asking the hub."""
    if name in wheels.table():
        row = wheels.table()[name]
        return (row.folder / "config.json").is_file() or wheels.is_begun(row)
    return name == "tiny" or Path(name).expanduser().is_dir() or (is_gguf(name) and Path(name).expanduser().is_file())


def is_gguf(name: str) -> bool:
    """Whether `name` is meant as a GGUF file."""
    return name.lower().endswith(".gguf") and not Path(name).expanduser().is_dir()


def load_model(name: str, dtype: "torch.dtype | None" = None) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model called `name` (see `resolve_model`) in evaluation mode, in float32 unless told, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model(name)
    try:
        with without_bars():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32, local_files_only=True)
    except (OSError, ValueError) as error:
        raise Refused(f"transformers cannot open the model {name}: {first_line(error)}") from error
    return model.eval(), tokenizer


def _from_wheels(row: wheels.Wheels) -> Path:
    if is_here(row.name):
        folder = unpack_once(row.folder, row.name, lambda place: wheels.join(row, place), row.dtype)
        if row.hub:
            _say_once(f"{row.name}: {row.provenance}")
        return folder
    if row.hub is None:
        raise Refused(f"{row.name} needs packages that are not installed; {row.advice}")
    folder = _download(row.hub, f"{row.name} needs packages that are not installed ({row.advice})")
    _say_once(f"{row.name}: weights of {row.hub} from the hub, since the packages are not installed")
    return folder


@cache
def _say_once(line: str) -> None:
    announce(line)


def _download(name: str, otherwise: str) -> Path:
    """A snapshot of the hub id `name`; raises `Refused`, beginning with `otherwise`, where the hub does not give it."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"])
        if not any(Path(folder).glob("*.safetensors")):
            folder = snapshot_download(name, allow_patterns=[*_HUB_FILES, "*.bin"], ignore_patterns=["*/*"])
    except (OSError, ValueError) as error:
        raise Refused(f"{otherwise}, and the hub did not give {name}: {first_line(error)}") from error
    return Path(folder)
