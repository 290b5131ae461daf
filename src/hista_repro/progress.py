"""How far long work is: bars in a terminal, a line every ten seconds elsewhere.

The kernel of a notebook has no terminal, and what it writes to standard error becomes part of the notebook. So where the environment
variable `HISTA_REPRO_PROGRESS_FILE` names a file, the lines are appended to that file and to nothing else; whoever runs the notebook
shows them.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from tqdm import tqdm

PROGRESS_FILE = "HISTA_REPRO_PROGRESS_FILE"
SECONDS_BETWEEN_LINES = 10.0
Report = Callable[[int, int], object]
"""Told how many tokens were written, and how many completions ended, since it was last told."""
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit} ({percentage:.0f}%){postfix}, {elapsed} so far, {remaining} to go"
_LINE_WITHOUT_TOTAL = "{desc}: {n_fmt} {unit}, {elapsed} so far"


def progress(work: int | Iterable | None, what: str, *, unit: str = "steps", initial: int = 0) -> tqdm:
    """A tqdm bar for `work`: a number of units, something to iterate over, or None where the amount is unknown.

    Use it as a context manager with `bar.update(n)`, or iterate over it. `initial` units are done already; they do not count as speed.
    Lines begin after ten seconds, so short work writes none.
    """
    iterable = work if isinstance(work, Iterable) else None
    total = work if iterable is None else getattr(work, "__len__", lambda: None)()
    settings = {"iterable": iterable, "total": total, "desc": what, "unit": unit, "initial": initial, "disable": False}
    path = os.environ.get(PROGRESS_FILE)
    if path is None and sys.stderr.isatty():
        return tqdm(**settings, dynamic_ncols=True)
    line = _LINE_WITHOUT_TOTAL if total is None else _LINE
    every = SECONDS_BETWEEN_LINES
    return tqdm(**settings, file=_Lines(path), bar_format=line, mininterval=every, maxinterval=every, delay=every)


class SamplingProgress:
    """A bar for completions that moves while they are written, and says how many tokens that are a second.

    Use it as a context manager. `add` is told of completions that are whole, and kept; `report`, a `Report`, of what goes on until then.
    """

    def __init__(self, total: int, what: str) -> None:
        self._bar = progress(total, what, unit="completions")
        self._bar.miniters = 0  # so that it may be drawn anew although no completion has ended
        self._before = self._added = self._ended = self._tokens = 0
        self._began = time.monotonic()

    def __enter__(self) -> "SamplingProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, completions: int, made_before: bool = False) -> None:
        """`made_before` says that an earlier start made them, which counts for no speed."""
        if made_before:
            self._before += completions
            self._bar.n = self._bar.initial = self._bar.last_print_n = self._before
        else:
            self._added += completions
        self._move()

    def report(self, tokens: int, completions: int) -> None:
        self._tokens += tokens
        self._ended += completions
        self._move()

    def _move(self) -> None:
        if self._tokens:
            rate = self._tokens / (time.monotonic() - self._began)
            self._bar.set_postfix_str(f"{rate:.0f} tokens/s", refresh=False)
        self._bar.update(self._before + max(self._added, self._ended) - self._bar.n)


def unheard(tokens: int, completions: int) -> None:
    """The `Report` that nobody hears."""


def announce(line: str) -> None:
    """Say one thing about work that goes on, where its progress is shown."""
    _Lines(os.environ.get(PROGRESS_FILE)).write(line)


class _Lines:
    """The stream of a bar that is not redrawn in place: every drawing becomes a line, in a file or on standard error."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.last = ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line in ("", self.last):  # the last drawing comes twice where it was due anyway
            return
        self.last = line
        if self.path is None:
            print(line, file=sys.stderr, flush=True)
        else:
            with suppress(OSError), open(self.path, "a", encoding="utf-8") as file:  # no work fails for want of a progress line
                file.write(f"{line}\n")

    def flush(self) -> None:
        """Nothing is held back."""
