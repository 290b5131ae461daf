import pandas as pd
import pytest

from hista_repro.paper import PRINTED_TABLES, paper_grid, paper_table, paper_value

SHAPES = {1: 5, 2: 8, 3: 21, 4: 35, 5: 162, 6: 90, 7: 27, 8: 72, 9: 180, 10: 3, 11: 5, 12: 24, 13: 5, 14: 6, 15: 6, 16: 10}


@pytest.mark.parametrize("number", PRINTED_TABLES)
def test_every_cell_is_there_once(number):
    table = paper_table(number)
    assert len(table) == SHAPES[number]
    assert not table.duplicated(["block", "row", "column"]).any()
    assert table["value"].notna().all()
    assert list(table["printed"].astype(float)) == list(table["value"])


@pytest.mark.parametrize("number", PRINTED_TABLES)
def test_a_printed_change_names_a_row_of_its_block(number):
    table = paper_table(number)
    changes = table[table["arrow"] != ""]
    assert set(changes["arrow"]) <= {"up", "down"}
    for cell in changes.itertuples():
        assert cell.against in set(table.loc[table["block"] == cell.block, "row"])
    assert (table.loc[table["arrow"] == "", ["difference", "against"]] == "").all(axis=None)


@pytest.mark.parametrize(
    ("number", "row", "column", "block", "value"),
    [
        (1, "PPO-N@40", "λ = 1.0", "", 0.152),
        (2, "Numca@40", "Number", "", 0.136),
        (3, "GSM8K", "GRPO + Numca", "", 0.864),
        (4, "Hista@40", "Science", "", 0.173),
        (4, "MCS@2", "General", "", 0.139),
        (5, "CISPO + Hista", "CollegeMath", "Qwen2.5-7B", 62.9),
        (6, "CISPO + Hista", "General", "Qwen2.5-1.5B-Instruct", 30.0),
        (7, "DAPO + Hista", "AMC", "R1-Distill-1.5B", 76.8),
        (8, "DAPO", "Average", "Qwen3-8B", 60.7),
        (9, "MCS@1", "Number", "Qwen3-8B-Base", 0.062),
        (12, "φ = 25", "α = 0.8", "", 0.151),
        (16, "Verifiable Coding Problem", "Count", "1.5B", 2291),
    ],
)
def test_spot_checks_against_the_paper(number, row, column, block, value):
    assert paper_value(number, row, column, block) == value


def test_only_ppo_n_explains_the_arrows_of_table_4():
    table = paper_table(4)
    values = table.set_index(["row", "column"])["value"]
    changes = table[table["arrow"] != ""]
    signed = pd.to_numeric(changes["difference"]) * changes["arrow"].map({"up": 1, "down": -1})
    explained_by = [
        base
        for base in table["row"].unique()
        if all(
            abs(cell.value - values[base, cell.column] - change) < 1e-9 for cell, change in zip(changes.itertuples(), signed, strict=True)
        )
    ]
    assert explained_by == ["PPO-N@40"] == list(changes["against"].unique())


def test_against_grpo_numca_is_better_in_four_of_five_fields():
    numca, grpo = (paper_table(4).set_index(["row", "column"])["value"].loc[row] for row in ("Numca@40", "GRPO@40"))
    assert list((numca - grpo).index[numca >= grpo]) == ["Science"] and len(numca) == 5


def test_the_grid_shows_the_table_as_printed():
    grid = paper_grid(4)
    assert list(grid.columns) == ["Number", "Math", "Science", "General", "Programming"]
    assert list(grid.index) == ["GRPO@40", "PPO-N@40", "Numca@40", "Hista@40", "MCS@1", "MCS@2", "MCS@3"]
    assert grid.loc["Numca@40", "Math"] == "0.194 ↑0.007"
    assert paper_grid(1).loc["GRPO@40", "λ = 1.0"] == ""
    assert paper_grid(9, "Qwen3-8B-Base").loc["MCS@2", "General"] == "0.055"


@pytest.mark.parametrize("number", [0, 17])
def test_a_table_without_numbers_is_refused(number):
    with pytest.raises(ValueError, match="Tables 1 to 16"):
        paper_table(number)


def test_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"row: Table 4 has no 'Hista'; it has .*'Hista@40'"):
        paper_value(4, "Hista", "Number")
    with pytest.raises(ValueError, match="block: Table 9 has no ''"):
        paper_value(9, "Hista@40", "Number")
