"""Tables as a page shows them."""

from dataclasses import dataclass
from html import escape

import pandas as pd


@dataclass(frozen=True, repr=False)
class Captioned:
    """A data frame of text with a caption, one row of headings and no index; the same frame gives the same HTML."""

    frame: pd.DataFrame
    caption: str

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.frame.to_html(index=False, border=0, justify="left", classes="captioned")
        head, _, body = table.partition(">")
        return f"{head}><caption>{escape(self.caption)}</caption>{body}"
