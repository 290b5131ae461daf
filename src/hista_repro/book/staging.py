"""The source of the book as Jupyter Book reads it: prose, executed notebooks, and the pages that follow from the runs."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.catalogue import estimators_table
from hista_repro.book.choice import choice_table, comparisons, short_answer
from hista_repro.book.conclusions import conclusions_text, evidence_table, log_table, read_conclusions, read_log, standings
from hista_repro.book.pages import empty_page, findings, provenance_note, result_entry, status_table
from hista_repro.book.runs import ShownRun
from hista_repro.book.scale_page import scale_page
from hista_repro.files import write_json, write_text
from hista_repro.notebook_format import nbformat
from hista_repro.runner.notebooks import code_of, read_notebook, with_outputs_of
from hista_repro.sphinxext.results import DOCUMENT


def stage(root: Path, source: Path, runs: Mapping[str, ShownRun | None]) -> None:
    """Fill the folder `source`, which is emptied before, with the book of the checkout `root` and the pages of `runs`."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source / "book")
    for name in ("_config.yml", "_toc.yml", "README.md"):
        shutil.copy2(root / name, source / name)
    for artifact_id, run in runs.items():
        page = source / "notebooks" / ARTIFACTS[artifact_id].notebook
        if run is None:
            write_text(page.with_suffix(".md"), empty_page(ARTIFACTS[artifact_id]))
        else:
            write_text(page, _page(root, run))
    for name, text in _generated(root, runs).items():
        write_text(source / "book" / "_generated" / f"{name}.md", text)
    entries = {artifact_id: result_entry(ARTIFACTS[artifact_id], run) for artifact_id, run in runs.items()}
    write_json(source / DOCUMENT, {"artifacts": entries, "standings": standings(read_conclusions(root), runs)})


def _generated(root: Path, runs: Mapping[str, ShownRun | None]) -> dict[str, str]:
    """The parts of pages that follow from runs, code and settings, by file name."""
    found, conclusions = comparisons(runs), read_conclusions(root)
    return {
        "choice": choice_table(found),
        "conclusions": conclusions_text(conclusions, runs),
        "conclusions_log": log_table(read_log(root)),
        "estimators": estimators_table(),
        "evidence": evidence_table(conclusions, runs),
        "findings": findings(runs),
        "short_answer": short_answer(found),
        "status": status_table(runs),
        **scale_page(root),
    }


def _page(root: Path, run: ShownRun) -> str:
    """The executed notebook, with a note below its title that says where it comes from.

    As long as its code is that of the checkout `root`, so is its prose, which may have been improved since the run.
    """
    notebook, current = read_notebook(run.notebook), read_notebook(root / "notebooks" / run.artifact.notebook)
    if code_of(current) == code_of(notebook):
        notebook = with_outputs_of(current, notebook)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(provenance_note(run), id="provenance"))
    return nbformat.writes(notebook)
