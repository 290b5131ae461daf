"""Records that are expensive to make, and therefore made once: SVEB builds, training runs, evaluations."""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hista_repro.errors import Refused
from hista_repro.files import cache_home, read_json


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


def adopt_record(name: str, content: Mapping[str, Any], made: Path, home: Path | None = None) -> Path:
    """Make a copy of the folder `made`, finished elsewhere or by other source, the record of `content`; returns the record's folder.

    A record that is finished is left as it is, one that was begun gives way. Raises `Refused` where another process is making it.
    """
    folder = _folder(name, content, home)
    copy = folder.with_name(f".{folder.name}.adopted")
    try:
        with _locked(folder).acquire(timeout=0):
            if _is_finished(folder):
                return folder
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(made, copy, ignore=shutil.ignore_patterns(".lock"))
            for path in (copy, *copy.rglob("*")):
                path.chmod(path.stat().st_mode | stat.S_IWUSR)  # data of others may be read-only, and a record is added to
            shutil.rmtree(folder, ignore_errors=True)
            copy.rename(folder)
            return folder
    except Timeout:
        raise Refused(f"another process is making {folder}; wait for it, or stop it") from None


def _is_finished(folder: Path) -> bool:
    """A folder that was left before its manifest was written is not."""
    manifest = folder / "manifest.json"
    return manifest.exists() and read_json(manifest)["status"] == "done"


def _folder(name: str, content: Mapping[str, Any], home: Path | None) -> Path:
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    home = home or Path(os.environ.get("HISTA_REPRO_RECORDS") or cache_home() / "records")
    return home / f"{name}-{key}"


def _locked(folder: Path) -> FileLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f"{folder.name}.lock"))
