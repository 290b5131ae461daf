"""Records that are expensive to make, and therefore made once: SVEB builds, training runs, evaluations."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from hista_repro.files import cache_home


def shared_record(name: str, content: Mapping[str, Any], make: Callable[[Path], object], home: Path | None = None) -> Path:
    """The folder of a finished record, made by whoever asks first; a second caller, in whatever process, waits for the first.

    Records lie in `home` (default: `$HISTA_REPRO_RECORDS`, else the user's cache), in one folder for each `content`: JSON that holds
    all that decides what is recorded, the source that makes it included. `name` is for human readers. `make` is called with the folder
    each time. It returns at once where the folder is finished, goes on where an earlier call was stopped, and raises what it must.
    """
    folder = _folder(name, content, home)
    with _locked(folder):
        make(folder)
    return folder


def adopt_record(
    name: str, content: Mapping[str, Any], made: Path, prepare: Callable[[Path], object] = lambda copy: None, home: Path | None = None
) -> Path:
    """Make a copy of the folder `made`, finished elsewhere or by other source, the record of `content`, unless there is one.

    `prepare` is called with the copy before anybody can ask for it. Returns the folder of the record.
    """
    folder = _folder(name, content, home)
    with _locked(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        if not folder.exists():
            copy = Path(beside, "copy")
            shutil.copytree(made, copy, ignore=shutil.ignore_patterns(".lock"))
            prepare(copy)
            copy.rename(folder)
    return folder


def _folder(name: str, content: Mapping[str, Any], home: Path | None) -> Path:
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    home = home or Path(os.environ.get("HISTA_REPRO_RECORDS") or cache_home() / "records")
    return home / f"{name}-{key}"


def _locked(folder: Path) -> FileLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f"{folder.name}.lock"))
