"""Data sets that lie in a folder of this machine instead of on the hub."""

import os
from pathlib import Path

from hista_repro.errors import Refused

DATA = "HISTA_REPRO_DATA"
"""The environment variable that names the folder."""


def data_folder() -> Path | None:
    """The folder that `HISTA_REPRO_DATA` names; None where it names none. Raises `Refused` where there is no such folder."""
    named = os.environ.get(DATA)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise Refused(f"{DATA} names {named}, which is no folder; name a folder of .jsonl files, or unset it to ask the hub")
    return folder


def file_below(folder: Path, name: str, holds: str, otherwise: str) -> Path:
    """The one file NAME.jsonl anywhere below `folder`.

    Args:
        folder: where to look.
        name: the file's name without its ending.
        holds: what should be in it, for the message.
        otherwise: what else may be done, for the message.

    Raises:
        Refused: where there is no such file, or more than one.
    """
    found = sorted(folder.rglob(f"{name}.jsonl"))
    if not found:
        raise Refused(f"there is no {name}.jsonl below {folder}; put {holds} there, or {otherwise}")
    if len(found) > 1:
        raise Refused(f"there are {len(found)} files {name}.jsonl below {folder}; name the folder of one of them")
    return found[0]
