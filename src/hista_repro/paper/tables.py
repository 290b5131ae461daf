"""The numbers that the paper prints, as data: one tidy CSV for each of Tables 1 to 16.

Transcribed from "Hista and Numca: Estimate State Value Effectively for Large Language Model Reinforcement Learning". Columns:

- `block`: the sub-table, where a table has several (a model, say); else empty;
- `row`, `column`: the labels. Spelling is made uniform (Numca, Hista; CISPO where the paper prints "CSIPO"; Instruct for "Instuct");
- `printed`: the number as printed, with its trailing zeros;
- `arrow` (`up`, `down`), `difference`: the printed change, with the sign that is printed;
- `against`: the row that the change is relative to. Table 4 does not say; PPO-N@40 is the only row that gives its printed differences.

Table 17 holds notation, no numbers: see `notation`.
"""

from dataclasses import dataclass
from importlib.resources import files

import pandas as pd


@dataclass(frozen=True)
class PrintedTable:
    """What a table of the paper is about."""

    number: int
    section: str
    measures: str
    model: str
    """The language model behind the numbers; empty where the table names several."""

    @property
    def title(self) -> str:
        return f"Table {self.number} ({self.section}): {self.measures}"


_SVEB_ERROR = "mean absolute error against the mean of 20 continuations, lower is better"
_ACCURACY = "benchmark accuracy in percent, higher is better"

PRINTED_TABLES: dict[int, PrintedTable] = {
    table.number: table
    for table in (
        PrintedTable(1, "Section 4.2", f"{_SVEB_ERROR}, for two critics and two values of GAE's λ, SVEB-Number", "Qwen2.5-1.5B"),
        PrintedTable(2, "Section 5.1", _SVEB_ERROR, "Qwen2.5-1.5B"),
        PrintedTable(3, "Section 5.1", "benchmark accuracy between 0 and 1, higher is better", "Qwen2.5-Math-1.5B-Instruct"),
        PrintedTable(4, "Section 6.2", _SVEB_ERROR, "Qwen2.5-3B-Instruct"),
        PrintedTable(5, "Section 6.2", f"{_ACCURACY}, after training on the Simple Math Dataset", ""),
        PrintedTable(6, "Section 6.2", f"{_ACCURACY}, averaged by field, after training on the Hybrid Reasoning Dataset", ""),
        PrintedTable(7, "Section 6.2", f"{_ACCURACY}, after training on the Hard Math Dataset", "R1-Distill-1.5B"),
        PrintedTable(8, "Section 6.2", f"{_ACCURACY}, after training Qwen3 base models", ""),
        PrintedTable(9, "Appendix D", _SVEB_ERROR, ""),
        PrintedTable(10, "Appendix E", f"{_SVEB_ERROR}, by distance", "Qwen2.5-1.5B-Instruct"),
        PrintedTable(11, "Appendix E", f"{_SVEB_ERROR}, by the layer whose hidden states are read", "Qwen2.5-1.5B-Instruct"),
        PrintedTable(12, "Appendix E", f"{_SVEB_ERROR}, by smoothing α and compression interval φ", "Qwen2.5-1.5B-Instruct"),
        PrintedTable(13, "Appendix E", f"{_SVEB_ERROR}, by sampling interval δ", "Qwen2.5-1.5B-Instruct"),
        PrintedTable(14, "Appendix F", "mean time of a training step in seconds", ""),
        PrintedTable(15, "Appendix F", "mean GPU memory over training in GB", ""),
        PrintedTable(16, "Appendix H", "number of training problems by source and size of the model", ""),
    )
}


def paper_table(number: int) -> pd.DataFrame:
    """Table `number` in printed order: one row per cell, with the columns of this module's docstring and `value`, the number as a float.

    Raises `ValueError` for a table that has no numbers.
    """
    if number not in PRINTED_TABLES:
        raise ValueError(f"number: the paper has no numbers in a Table {number!r}; there are Tables 1 to {max(PRINTED_TABLES)}")
    source = files("hista_repro.paper") / "tables" / f"table_{number:02d}.csv"
    with source.open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    return table.assign(value=table["printed"].astype(float))


def paper_value(number: int, row: str, column: str, block: str = "") -> float:
    """One cell; raises `ValueError`, saying what there is, for a label that the table does not have."""
    table = paper_table(number)
    for name, label in (("block", block), ("row", row), ("column", column)):
        known = list(dict.fromkeys(table[name]))
        if label not in known:
            raise ValueError(f"{name}: Table {number} has no {label!r}; it has {', '.join(map(repr, known))}")
        table = table[table[name] == label]
    return float(table["value"].iloc[0])


def paper_grid(number: int, block: str = "") -> pd.DataFrame:
    """A table as printed, rows by columns, as text with its arrows; "" where the paper leaves a cell empty."""
    table = paper_table(number)
    table = table[table["block"] == block]
    arrows = table["arrow"].map({"up": " ↑", "down": " ↓", "": ""})
    cells = table.assign(text=table["printed"] + arrows + table["difference"])
    grid = cells.pivot(index="row", columns="column", values="text").fillna("")
    grid = grid.reindex(index=cells["row"].unique(), columns=cells["column"].unique())
    return grid.rename_axis(index=None, columns=None)
