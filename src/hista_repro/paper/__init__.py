"""What the paper printed: its numbers as data, and where they contradict one another."""

from hista_repro.paper.consistency import Inconsistency, inconsistencies
from hista_repro.paper.notation import paper_notation
from hista_repro.paper.settings import sveb_setting, training_setting
from hista_repro.paper.tables import PRINTED_TABLES, PrintedTable, paper_grid, paper_table, paper_value

__all__ = [
    "PRINTED_TABLES",
    "Inconsistency",
    "PrintedTable",
    "inconsistencies",
    "paper_grid",
    "paper_notation",
    "paper_table",
    "paper_value",
    "sveb_setting",
    "training_setting",
]
