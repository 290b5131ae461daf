"""Tables as a page shows them."""

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
from docutils.utils.math.latex2mathml import tex2mathml
from pandas.api.types import is_numeric_dtype


@dataclass(frozen=True, repr=False)
class Captioned:
    """A data frame of text with a caption, one row of headings and no index; the same frame gives the same HTML."""

    frame: pd.DataFrame
    caption: str
    formulas: tuple[str, ...] = ()
    """Columns that hold LaTeX, shown as MathML."""

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"

    def _repr_html_(self) -> str:
        frame = self.frame.rename(columns=_escaped)
        formatters = {name: _escaped for name in frame if not is_numeric_dtype(frame[name])}
        formatters |= dict.fromkeys(map(_escaped, self.formulas), _mathml)
        table = frame.to_html(index=False, border=0, justify="left", classes="captioned", escape=False, formatters=formatters)
        head, _, body = table.partition(">")
        return f"{head}><caption>{escape(self.caption)}</caption>{body}"


def _escaped(cell: Any) -> str:
    return escape(str(cell), quote=False)


def _mathml(formula: str) -> str:
    """Without the converter's indentation, which pandas would turn into text."""
    return re.sub(r"\n\s*", "", tex2mathml(formula))
