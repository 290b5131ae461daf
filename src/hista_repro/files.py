"""Writing files so that a kill, a full disk or a second process never leaves half a file behind."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hista_repro.errors import Refused


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write` with a temporary path beside `path`, then move the result into place.

    Until the move, `path` keeps its old content; after an exception no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Write `document` as JSON with sorted keys; NaN and infinities are refused, since JSON has none."""
    write_text(path, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def append_event(path: Path, event: dict[str, Any]) -> None:
    """Append `event` as one line of JSON, on disk when this returns. A line that an earlier kill tore is closed first."""
    with open(path, "a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        torn = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * torn + json.dumps(event, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events appended to `path`, oldest first, without lines that a kill tore; none where there is no file."""
    events = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            events.append(json.loads(line))
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
    return events


def sha256_of(*paths: Path) -> str:
    """One digest over the names and contents of files, and of all files below folders (compiled Python left out), in sorted order."""
    digest = hashlib.sha256()
    for path in paths:
        members = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc") if path.is_dir() else [path]
        for member in members:
            name = member.relative_to(path) if path.is_dir() else member.name
            digest.update(f"{name}\x1f{member.stat().st_size}\x1f".encode())
            with open(member, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def cache_home() -> Path:
    """Where converted models and shared records are kept: `$HISTA_REPRO_CACHE`, or the folder `hista-repro` of the user's cache."""
    if named := os.environ.get("HISTA_REPRO_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hista-repro"


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; raises `Refused` where it cannot be written or another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise Refused(f"another process is writing to {folder}; wait for it, or choose another folder") from None
    except OSError as error:
        raise Refused(f"cannot write to {folder}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
