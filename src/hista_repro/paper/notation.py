"""The paper's symbols (Table 17), as data."""

from importlib.resources import files

import pandas as pd


def paper_notation() -> pd.DataFrame:
    """One row per symbol, in printed order: block (SVEB, Numca, Hista, Proof), symbol (LaTeX), meaning, domain (where it lives, or a
    note); the last two in words of ours.
    """
    with (files("hista_repro.paper") / "tables" / "table_17.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)
