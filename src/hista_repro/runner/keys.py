"""Content keys: a finished artifact is fresh as long as nothing that decides its result has changed."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

import hista_repro
from hista_repro.files import sha256_of
from hista_repro.imports import reached_files, strings_in
from hista_repro.notebook_format import NotebookNode
from hista_repro.runner.notebooks import code_of
from hista_repro.source_files import code_digest

_PACKAGE = Path(hista_repro.__file__).parent
_NOT_COMPUTING = ("artifacts/registry.py", "distributed", "profiles", "runner")
"""Below the package: what names artifacts, sets their sizes (which are parameters), runs notebooks and hands out work."""
_HASHED_WHOLE = 64 * 2**20
"""Larger files of the user's are known by size and time of change: reading a model of 30 GB takes minutes."""


@dataclass(frozen=True)
class ContentKey:
    """Digests of what decides a result, apart, so that a difference can be named."""

    notebook: str
    """Its code, without its prose."""
    parameters: str
    source: str
    """The package's own source and data, as far as the notebook can reach them (see `imports`), without `_NOT_COMPUTING`."""
    inputs: str
    """Local files and folders that parameters name, and estimators from plug-in folders."""

    def differences(self, other: Mapping[str, str]) -> list[str]:
        """The parts that are not those of `other`, a key as JSON holds it."""
        return [name for name, digest in asdict(self).items() if other.get(name) != digest]


def content_key(notebook: NotebookNode, parameters: Mapping[str, Any]) -> ContentKey:
    """The key of `notebook` with `parameters` (all of them, defaults included)."""
    folders = [Path(folder) for folder in os.environ.get("HISTA_REPRO_PLUGINS", "").split(os.pathsep) if folder]
    return ContentKey(
        notebook=_digest(code_of(notebook)),
        parameters=_digest(parameters),
        source=source_digest(notebook, parameters),
        inputs=_digest([_state_of(path) for path in [*_paths_in(parameters), *folders]]),
    )


def source_digest(notebook: NotebookNode, parameters: Mapping[str, Any]) -> str:
    """One digest over everything in the package that may take part in computing what `notebook` shows."""
    cells = [TransformerManager().transform_cell(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    try:
        files = reached_files("\n".join(cells), strings_in(parameters), _PACKAGE)
    except SyntaxError:  # what it can reach is not known
        files = _files_below(_PACKAGE)
    apart = [_PACKAGE / place for place in _NOT_COMPUTING]
    computing = [path for path in files if not any(path.is_relative_to(place) for place in apart)]
    return code_digest(*computing)


def _paths_in(value: Any) -> Iterator[Path]:
    """Files and folders that strings in a parameter value name. A folder that holds the working directory ("/", ".") is no input."""
    if isinstance(value, str) and 0 < len(value) < 4096 and os.path.exists(value):
        if not Path.cwd().is_relative_to(Path(value).resolve()):
            yield Path(value)
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _paths_in(item)


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("[!.]*") if path.is_file() and "__pycache__" not in path.parts)


def _state_of(path: Path) -> list:
    return [[str(member.relative_to(path)), _file_state(member)] for member in (_files_below(path) if path.is_dir() else [path])]


def _file_state(path: Path) -> Any:
    info = path.stat()
    return sha256_of(path) if info.st_size <= _HASHED_WHOLE else [info.st_size, info.st_mtime_ns]


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
