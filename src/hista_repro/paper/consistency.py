"""Where the paper's printed numbers contradict one another by more than rounding can explain."""

from collections.abc import Iterator
from dataclasses import dataclass

from hista_repro.paper.tables import PRINTED_TABLES, paper_table, paper_value

AVERAGES = ("Average", "All")
"""Labels of the cells that average the other cells of their row (Tables 5 to 8) or column (Table 3)."""


@dataclass(frozen=True)
class Inconsistency:
    """A contradiction between printed numbers, or between a number and the text."""

    tables: tuple[int, ...]
    sentence: str


def inconsistencies(number: int | None = None) -> list[Inconsistency]:
    """Every inconsistency that was found, or those in which Table `number` takes part."""
    tables = [table for table in PRINTED_TABLES if number in (None, table)]
    within = [item for table in tables for item in (*_wrong_differences(table), *_wrong_averages(table), *_rising_errors(table))]
    between = [item for item in _repeated_values() if number is None or number in item.tables]
    return within + between


def _step(cell: str) -> float:
    """One unit in the last printed decimal of a cell; a printed number is within half a step of what was measured."""
    return 10.0 ** -len(cell.partition(".")[2])


def _wrong_differences(number: int) -> Iterator[Inconsistency]:
    table = paper_table(number)
    cells = table.set_index(["block", "row", "column"])
    for cell in table[table["arrow"] != ""].itertuples():
        base = cells.loc[(cell.block, cell.against, cell.column)]
        change = cell.value - base["value"]
        printed = abs(float(cell.difference)) * (1 if cell.arrow == "up" else -1)
        slack = 0.5 * sum(map(_step, (cell.printed, base["printed"], cell.difference)))
        if abs(change - printed) > slack + 1e-9:
            where = ", ".join(filter(None, (f"Table {number}", cell.block, cell.row, cell.column)))
            yield Inconsistency(
                (number,),
                f"{where}: {cell.printed} is {change:+.3g} against {base['printed']} ({cell.against}), "
                f"and the printed change is {printed:+.3g}.",
            )


def _wrong_averages(number: int) -> Iterator[Inconsistency]:
    table = paper_table(number)
    for label, others in (("column", "row"), ("row", "column")):
        is_average = table[label].isin(AVERAGES)
        for cell in table[is_average].itertuples():
            same = (table["block"] == cell.block) & (table[others] == getattr(cell, others)) & ~is_average
            mean = table.loc[same, "value"].mean()
            slack = 0.5 * (table.loc[same, "printed"].map(_step).mean() + _step(cell.printed))
            if abs(mean - cell.value) > slack + 1e-9:
                where = ", ".join(filter(None, (cell.block, getattr(cell, others))))
                yield Inconsistency(
                    (number,), f"Table {number}, {where}: the average is printed as {cell.printed}; the cells give {mean:.4g}."
                )


def _rising_errors(number: int) -> Iterator[Inconsistency]:
    """More continuations per state cannot raise the expected error of Monte Carlo sampling."""
    table = paper_table(number)
    table = table[table["row"].str.startswith("MCS@")]
    for (block, column), cells in table.groupby(["block", "column"], sort=False):
        for before, after in zip(cells.iloc[:-1].itertuples(), cells.iloc[1:].itertuples(), strict=True):
            if after.value > before.value:
                where = ", ".join(filter(None, (f"Table {number}", block, column)))
                yield Inconsistency(
                    (number,),
                    f"{where}: {after.row} ({after.printed}) has a larger error than {before.row} ({before.printed}).",
                )


def _repeated_values() -> Iterator[Inconsistency]:
    """The same quantity printed twice with different numbers, or different quantities printed with the same."""
    low, high = (paper_value(1, "PPO-N@40", column) for column in ("λ = 0.95", "λ = 1.0"))
    second = paper_value(2, "PPO-N@40", "Number")
    if second != high:
        yield Inconsistency(
            (1, 2),
            f"Table 2 prints PPO-N on Number as {second}: Table 1's cell for λ = 0.95 ({low}), while its PPO-1 is the cell for λ = 1.0; "
            f"PPO-N with λ = 1.0 is {high}.",
        )
    rows = [row for row in ("GRPO@40", "PPO-N@40", "Numca@40") if paper_value(2, row, "Science") == paper_value(4, row, "Science")]
    if rows:
        yield Inconsistency(
            (2, 4),
            f"Tables 2 and 4 print the same Science errors for {', '.join(rows)}, but name different models: "
            f"{PRINTED_TABLES[2].model} and {PRINTED_TABLES[4].model}; on Number the same rows differ.",
        )
    ablated, model = paper_value(10, "SVEB-Number", "MinDistance"), PRINTED_TABLES[10].model
    direct = paper_value(9, "Hista@40", "Number", block=model)
    if ablated != direct:
        yield Inconsistency(
            (4, 9, 10, 11, 12, 13),
            f"The ablations name {model}, for which Table 9 prints {direct} on Number; their own value with the default settings is "
            f"{ablated}, Table 4's for {PRINTED_TABLES[4].model}.",
        )
    yield Inconsistency((13,), "Table 13's caption fixes k = 66 neighbours; Appendix E's text about the same table fixes k = 40.")
