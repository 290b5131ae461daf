"""The two ways in which a request can end badly, and how to name what was meant; the command line turns the former into exit codes."""

import difflib
from collections.abc import Iterable


class Refused(ValueError):
    """The request was refused before anything was written; the message is one sentence that says what to change (exit code 2)."""


class WorkFailed(RuntimeError):
    """Work failed on the way; everything that was finished is kept (exit code 1)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"


def first_line(error: Exception) -> str:
    """What another library says is wrong, fit for the end of a sentence."""
    return str(error).strip().split("\n")[0] or type(error).__name__
