"""Rendering the book with Jupyter Book, warnings being errors."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hista_repro
from hista_repro.book.runs import ShownRun, shown_runs
from hista_repro.book.staging import stage
from hista_repro.checkout import find_checkout
from hista_repro.errors import WorkFailed
from hista_repro.files import read_json, sha256_of, write_json, write_text
from hista_repro.provenance import describe

_JUPYTER_BOOK = (sys.executable, "-c", "from jupyter_book.cli.main import main; main()")
"""Of this very environment, whatever is first on the user's path."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def build_book(root: Path | str | None = None, profile: str | None = None) -> Path:
    """Render the book of the checkout `root` (default: the one around the working directory); returns the folder of its pages.

    Shows the run of `profile` where there is one, else the largest (`shown_runs`). Nothing is executed, and a book that was rendered from
    the same sources is left as it is. Raises `WorkFailed`, with the warnings, if the book does not build cleanly; pages that could be
    rendered are there all the same.
    """
    html, _ = render(find_checkout(root), profile, reuse=True)
    return html


def render(checkout: Path, profile: str | None = None, *, reuse: bool = False) -> tuple[Path, dict[str, ShownRun | None]]:
    """`build_book`, with the runs that the pages show; renders anew unless `reuse`."""
    runs = shown_runs(checkout, profile)
    source, html, of = checkout / "_build" / "source", checkout / "_build" / "html", checkout / "_build" / "rendered.json"
    stage(checkout, source, runs)
    sources = _digest_of(source)
    if reuse and of.exists() and read_json(of) == sources and (html / "index.html").exists():
        return html, runs
    of.unlink(missing_ok=True)
    shutil.rmtree(html, ignore_errors=True)  # Sphinx leaves pages in place whose sources have gone
    ended = subprocess.run(
        [*_JUPYTER_BOOK, "build", str(source), "--path-output", str(checkout), "--all", "-n", "-W", "--keep-going"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"JUPYTER_NO_CONFIG": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )
    lines = _COLOURS.sub("", ended.stdout).splitlines()
    write_text(checkout / "_build" / "book.log", "\n".join(lines))
    if ended.returncode:
        complaints = [line for line in lines if "WARNING" in line or "ERROR" in line]
        raise WorkFailed("\n".join(["the book does not build cleanly (see _build/book.log):", *(complaints or lines[-20:])]))
    write_json(of, sources)
    return html, runs


def _digest_of(source: Path) -> dict[str, Any]:
    """What pages follow from: their staged source, the package, whose docstrings and directives they use, and the libraries."""
    package = Path(hista_repro.__file__).parent
    return {"source": sha256_of(source), "package": sha256_of(package), "versions": describe()["versions"]}
