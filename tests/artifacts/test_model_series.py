import pytest

from hista_repro.artifacts.model_series import printed_model, printed_model_panels, printed_models
from hista_repro.paper import paper_table, paper_value


@pytest.mark.parametrize(
    ("model", "block"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct", "Qwen2.5-1.5B-Instruct"),
        ("Qwen/Qwen3-0.6B", "Qwen3-0.6B-Instruct, thinking disabled"),
        ("models/Qwen3-8B-Base", "Qwen3-8B-Base"),
        ("tiny", "Qwen2.5-0.5B-Instruct"),
    ],
)
def test_a_model_is_held_against_itself_or_the_smallest(model, block):
    assert printed_model(model) == block


def test_the_grid_holds_every_number_once():
    grid, table = printed_models().frame, paper_table(9)
    assert grid.drop(columns=["model", "estimator"]).size == len(table)
    assert [model for model in grid["model"] if model] == list(table["block"].unique())
    assert grid.iloc[5][["estimator", "Math"]].tolist() == ["Hista@40", "0.139"]


def test_panels_are_those_of_the_models_and_fields_measured(measured):
    panels = printed_model_panels([measured({"hista": [0.5, 0.5]}, [0.5, 0.25], domain="science")])
    assert list(panels) == ["Paper: Qwen2.5-0.5B-Instruct, Science"]
    assert panels["Paper: Qwen2.5-0.5B-Instruct, Science"]["hista"] == paper_value(9, "Hista@40", "Science", "Qwen2.5-0.5B-Instruct")
