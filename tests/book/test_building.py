from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from hista_repro.book import build_book
from hista_repro.errors import WorkFailed

pytestmark = pytest.mark.slow


@pytest.fixture
def small_checkout(checkout) -> Path:
    """A book of two pages, one of them Table 4."""
    (checkout / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters:\n  - file: notebooks/table_04\n")
    (checkout / "book" / "intro.md").write_text("# A book\n\nThe error is {result}`table-04 {mae}`.\n")
    return checkout


def test_a_book_is_rendered_when_its_sources_have_changed(small_checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu", shown="0.142")
    index = build_book(small_checkout) / "index.html"
    page = (index.parent / "notebooks" / "table_04.html").read_text()
    assert "The error is 0.142" in text_of(page) and "hista-repro run table-04 --profile cpu" in page
    rendered = index.stat().st_mtime_ns
    build_book(small_checkout)
    assert index.stat().st_mtime_ns == rendered, "nothing had changed"
    record_run("table-04", "runs/cpu", "cpu", shown="0.143")
    build_book(small_checkout)
    assert "The error is 0.143" in text_of((index.parent / "book" / "intro.html").read_text())


def test_a_number_that_no_result_gives_fails_the_build_each_time(small_checkout, record_run):
    path = record_run("table-04", "runs/cpu", "cpu") / "notebooks" / "table_04.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = "The error is {glue:text}`gone`."
    nbformat.write(notebook, path)
    for _ in range(2):
        with pytest.raises(WorkFailed, match="No key 'gone' found in glue data"):
            build_book(small_checkout)


def text_of(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").text.split())
