"""Notebooks as files: reading one, what of it decides a result, whether an executed one is whole, and what of it must not be kept."""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused
from hista_repro.files import write_text
from hista_repro.notebook_format import NotebookNode, nbformat

_TEXT_TYPES = re.compile(r"text/|application/|image/svg")
_CELL_FILE = re.compile(rf"{re.escape(tempfile.gettempdir())}/ipykernel_\d+/\d+\.py")


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in `path`, as format 4; raises `Refused` where there is none."""
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise Refused(f"there is no notebook {path}") from None
    except Exception as error:  # nbformat lets through whatever a malformed document trips it with
        raise Refused(f"{path} is no notebook ({type(error).__name__})") from error


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    write_text(path, nbformat.writes(notebook) + "\n")


def code_of(notebook: NotebookNode) -> list[dict[str, Any]]:
    """What of a notebook decides its result: text and tags of every code cell, without outputs, counts and identifiers.

    Prose does not, so that a word can be changed without measuring again.
    """
    cells = (cell for cell in without_injection(notebook).cells if cell.cell_type == "code")
    return [{"source": cell.source, "tags": sorted(cell.metadata.get("tags", []))} for cell in cells]


def without_injection(notebook: NotebookNode) -> NotebookNode:
    """A notebook without the parameters of an earlier run, which papermill would keep where a new run changes none."""
    return NotebookNode({**notebook, "cells": [cell for cell in notebook.cells if not _is_injected(cell)]})


def with_outputs_of(notebook: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The prose and captions of `notebook` with the outputs, counts and injected parameters of `executed`, a run of the same code."""
    cells, ran = [], [cell for cell in executed.cells if cell.cell_type == "code"]
    for cell in without_injection(notebook).cells:
        cells.append(cell)
        if cell.cell_type == "code":
            done = ran.pop(0)
            cells[-1] = NotebookNode({**cell, "outputs": done.outputs, "execution_count": done.execution_count})
            while ran and _is_injected(ran[0]):
                cells.append(ran.pop(0))
    return NotebookNode({**executed, "cells": cells})


def _is_injected(cell: NotebookNode) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])


def error_in(notebook: NotebookNode) -> str | None:
    """The first error among the outputs of an executed notebook, as a sentence."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                message = output.evalue.strip().split("\n")[0]
                return f"In [{cell.execution_count}] raised {output.ename}: {message}"
    return None


def failure_of(notebook: NotebookNode) -> str | None:
    """Why an executed notebook is not whole: its first error, or the first cell that did not run in its turn; None if it is.

    papermill's own metadata call cells complete that never ran, so only what the kernel left behind counts.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    missing = (f"In [{number}] did not run" for number, cell in enumerate(cells, start=1) if cell.execution_count != number)
    return error_in(notebook) or next(missing, None)


def scrub(notebook: NotebookNode, places: Mapping[Path, str]) -> None:
    """Take from an executed notebook what differs between machines and runs: times, random cell ids, paths.

    `places` are folders with the name to put in their stead; the deepest that fits wins.
    """
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if {"injected-parameters", "papermill-error-cell-tag"} & set(cell.metadata.get("tags", [])):
            cell["id"] = f"papermill-{number}"
    replace = _path_replacer(places)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for name, part in output.items():
                if name == "data":
                    output[name] = {kind: _map_text(value, replace) if _TEXT_TYPES.match(kind) else value for kind, value in part.items()}
                elif name in ("text", "traceback", "evalue"):
                    output[name] = _map_text(part, replace)


def _path_replacer(places: Mapping[Path, str]) -> Callable[[str], str]:
    names = {str(path): name for path, name in places.items() if path != path.parent}
    deepest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    start = r"(^|[^\w.~-]|\x1b\[[\d;]*m)"  # tracebacks colour their paths
    pattern = re.compile(rf"{start}({deepest_first})(?![\w-]|\.\w)", re.MULTILINE)

    def replace(text: str) -> str:
        return pattern.sub(lambda match: match[1] + names[match[2]], _CELL_FILE.sub("cell", text))

    return replace


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    """`value`, a JSON document, with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_text(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_text(item, change) for key, item in value.items()}
    return value
