"""The book: staged from prose and recorded runs, rendered by Jupyter Book, checked, and served."""

from hista_repro.book.build import build_book
from hista_repro.book.check import check_book
from hista_repro.book.serve import serve_book

__all__ = ["build_book", "check_book", "serve_book"]
