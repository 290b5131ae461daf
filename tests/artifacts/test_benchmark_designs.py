import pandas as pd
import pytest

from hista_repro.artifacts.benchmark_designs import readable_pools, readable_selection

REFERENCES = [0.5, 0.25, 0.75, 0.5]


@pytest.fixture
def scores(measured):
    """hista misses by 0.05, its leave-one-out form by 0.15, and over an independent pool by 0.1."""
    off = {name: [r + error for r in REFERENCES] for name, error in (("hista", 0.05), ("hista-loo", 0.15))}
    two = measured(off, REFERENCES).scores
    third = two[two["estimator"] == "hista-loo"].assign(estimator="hista-loo, independent", estimate=lambda rows: rows["reference"] + 0.1)
    return pd.concat([two, third], ignore_index=True)


def test_pools_are_laid_side_by_side(scores):
    (row,) = readable_pools(scores, {"hista": "hista-loo"}).frame.to_numpy().tolist()
    assert row == [
        "hista",
        "0.050 [0.050, 0.050]",
        "0.150 [0.150, 0.150]",
        "0.100 [0.100, 0.100]",
        "−0.050 [−0.050, −0.050]",
    ]


def test_selection_is_put_in_words():
    columns = ["domain", "n_prompts", "n_states", "bias", "low", "high"]
    biases = {
        "uniform": pd.DataFrame([("number", 9, 45, 0.06, 0.02, 0.1)], columns=columns),
        "fixed": pd.DataFrame([("number", 9, 40, -0.01, -0.05, 0.03)], columns=columns),
    }
    frame = readable_selection(biases).frame
    assert frame["selection"].tolist() == ["right endings preferred", "fair"]
    assert frame["own outcome − reference"].tolist() == ["+0.060 [+0.020, +0.100]", "−0.010 [−0.050, +0.030]"]
