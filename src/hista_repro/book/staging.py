"""The source of the book as Jupyter Book reads it: prose, executed notebooks, and the pages that follow from the runs."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.pages import empty_page, findings, provenance_note, status_table
from hista_repro.book.runs import ShownRun
from hista_repro.files import write_text
from hista_repro.planning.pages import scale_page


def stage(root: Path, source: Path, runs: Mapping[str, ShownRun | None]) -> None:
    """Fill the folder `source`, which is emptied before, with the book of the checkout `root` and the pages of `runs`."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / name, source / name)
    for artifact_id, run in runs.items():
        page = source / "notebooks" / ARTIFACTS[artifact_id].notebook
        if run is None:
            write_text(page.with_suffix(".md"), empty_page(ARTIFACTS[artifact_id]))
        else:
            write_text(page, _with_note(run))
    write_text(source / "book" / "_generated" / "findings.md", findings(runs))
    write_text(source / "book" / "_generated" / "status.md", status_table(runs))
    for name, part in scale_page().items():
        write_text(source / "book" / "_generated" / f"{name}.md", part)


def _with_note(run: ShownRun) -> str:
    """The executed notebook, with a note below its title that says where it comes from."""
    notebook = nbformat.read(run.notebook, as_version=4)
    notebook.cells.insert(1, new_markdown_cell(provenance_note(run), id="provenance"))
    return nbformat.writes(notebook)
