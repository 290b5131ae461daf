"""The estimators of the paper's Table 9, which repeats a part of Table 4 with nine models."""

from collections.abc import Sequence
from pathlib import Path

from hista_repro.artifacts.comparisons import printed_errors
from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.paper import PRINTED_TABLES, paper_table

TABLE = 9


def printed_models() -> Captioned:
    """Table 9 as one grid: a row per model and estimator, a column per field."""
    table = paper_table(TABLE)
    grid = table.pivot(index=["block", "row"], columns="column", values="printed")
    grid = grid.reindex(table.set_index(["block", "row"]).index.unique())[table["column"].unique()]
    grid = grid.rename_axis(["model", "estimator"]).rename_axis(columns=None).reset_index()
    grid["model"] = grid["model"].mask(grid["model"].duplicated(), "")
    return Captioned(grid, f"{PRINTED_TABLES[TABLE].title}.")


def printed_model(model: str) -> str:
    """The model of Table 9 to hold a measurement with `model` against: the same where the table has it, else the smallest."""
    blocks = paper_table(TABLE)["block"].unique()
    same = [block for block in blocks if _bare(block.partition(",")[0]) == _bare(Path(model).name)]
    return same[0] if same else blocks[0]


def _bare(model: str) -> str:
    return model.removesuffix("-Instruct")


def printed_model_panels(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """Title -> printed errors by estimator, for the models and fields that the measurements are held against."""
    against = dict.fromkeys((printed_model(str(m.config["model"])), m.column) for m in measurements)
    return {f"Paper: {block}, {column}": printed_errors(TABLE, column, block) for block, column in against}
