"""What hidden states add to text, on measurements where it is known."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from hista_repro.artifacts.measurements import measure
from hista_repro.artifacts.same_text import (
    COMPARED,
    FINE,
    TREE,
    judge_parts,
    others_with_the_text,
    parts_of,
    parts_table,
    readable_parts,
    share_equal,
    shown_numbers,
    with_variants,
)
from hista_repro.artifacts.same_text_figure import plot_parts
from hista_repro.artifacts.verdicts import Word
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

PROBLEMS, STATES, N = 60, 4, 20


@pytest.fixture
def known(measured):
    """Hista is the tree in the first half of each problem's states, whose text others share; in the rest it knows the value and the tree
    does not."""
    rng = np.random.default_rng(0)
    value = rng.uniform(0.1, 0.9, PROBLEMS * STATES)
    shared = np.tile([True, True, False, False], PROBLEMS)
    tree = np.where(shared, value, 0.5)
    estimates = {"loo-mean": np.full(len(value), 0.5), "prefix-tree-loo": tree, "numca-loo": tree, "hista-loo": value}
    estimates |= {TREE: tree, FINE: np.where(shared, tree, value)}
    measurement = measured(estimates, rng.binomial(N, value) / N, states=STATES)
    others = pd.Series(np.where(shared, 3, 0), index=measurement.scores["state_id"].unique())
    return measurement, others


def test_parts_hold_the_states_that_share_their_text_and_those_that_do_not(known):
    parts = parts_of(*known)
    numbers = {part: measurement.scores["state_id"].nunique() for part, measurement in parts.items()}
    assert numbers == {"all": 240, "shared": 120, "alone": 120}
    assert share_equal(parts["shared"], "hista-loo") == 1
    assert share_equal(parts["alone"], "hista-loo") < 0.1
    assert share_equal(parts["all"], TREE) == 1


def test_what_is_seen_in_each_part(known):
    table = parts_table(parts_of(*known)).set_index(["part", "estimator"])
    assert table.loc[("shared", "prefix-tree-loo"), "diff"] == table.loc[("shared", "hista-loo"), "diff"] < 0
    assert table.loc[("alone", "prefix-tree-loo"), "diff"] == 0
    assert table.loc[("alone", "hista-loo"), "diff_high"] < 0


def test_claims_are_judged_where_they_are_made(known):
    words = {finding.claim: (finding.paper, finding.word) for finding in judge_parts(parts_of(*known))}
    assert words == {
        "hista-loo errs less than the prefix tree, which reads text alone": ("no claim", Word.AGREES),
        "with a node per token, hista-loo errs less than the prefix tree with κ = 0": ("no claim", Word.AGREES),
        "numca-loo errs less than the prefix tree, which reads text alone": ("no claim", Word.UNDECIDED),
        "where no other answer has the same text, hista-loo errs less than loo-mean": ("implied", Word.AGREES),
        "where no other answer has the same text, hista-loo with a node per token errs less than loo-mean": ("implied", Word.AGREES),
        "where no other answer has the same text, numca-loo errs less than loo-mean": ("implied", Word.UNDECIDED),
    }


def test_a_part_without_states_has_no_numbers_and_the_page_stands(known):
    measurement, others = known
    others = others * 0 + 2
    parts = parts_of(measurement, others)
    table = parts_table(parts)
    assert table[table["part"] == "alone"]["diff"].isna().all()
    assert [f.word for f in judge_parts(parts)][3:] == [Word.NOT_RUN] * 3
    frame = readable_parts(measurement, table, others).frame
    assert frame["text of its own"].tolist() == ["0 (0)", *["–"] * len(COMPARED)]
    assert frame["all states"].iloc[0] == "240 (60)"
    assert shown_numbers(measurement, parts, others)["hista_alone"] == "not measured"
    plot_parts({"tiny": table})


def test_the_figure_has_a_panel_for_each_measurement_and_names_every_estimator(known):
    table = parts_table(parts_of(*known))
    figure = plot_parts({"one": table, "two": table})
    assert [axis.get_title("left") for axis in figure.axes] == ["one", "two"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(COMPARED)
    plt.close(figure)


def test_on_a_build_others_share_what_the_texts_say(small_build):
    (measurement,) = measure([small_build], ["loo-mean", "hista-loo"])
    others = others_with_the_text(measurement)
    assert list(others.index) == list(measurement.scores["state_id"].unique())
    benchmark = Benchmark(record(small_build))
    for name in benchmark.states:
        for group, states in benchmark.asked(name):
            for state in states.itertuples():
                prefix = group.prefix(state.sample, state.token_index)
                alike = sum(text.startswith(prefix) for text in group.completions) - 1
                assert others[state.state_id] == alike, "tokens of the model are characters"
    parts = parts_of(with_variants(measurement), others)
    assert np.isfinite(parts["all"].estimates()[[TREE, FINE]]).all(axis=None)
    assert share_equal(parts["shared"], FINE) == 1, "with a node at each token the nearest are those of the same text"
