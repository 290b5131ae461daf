"""The book: staged from prose and recorded runs, rendered by Jupyter Book, checked, and served; and how a run is recorded."""

from hista_repro.book.build import build_book
from hista_repro.book.check import check_book
from hista_repro.book.conclusions import Move
from hista_repro.book.recording import record_run
from hista_repro.book.serve import serve_book

__all__ = ["Move", "build_book", "check_book", "record_run", "serve_book"]
