"""A Sphinx extension for docstrings, which here are plain text with code in backticks.

What reStructuredText would take for markup outside of backticks, such as the bars of |f - r|, is escaped.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`[^`]*`)")
_MARKUP = re.compile(r"([\\*|_])")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _escape)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def escaped(text: str) -> str:
    """`text` with its markup taken literally, apart from what stands in backticks."""
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(text))


def _escape(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Sphinx reads what is left in `lines`."""
    lines[:] = escaped("\n".join(lines)).split("\n")
