"""What the design of a benchmark adds, on scores where it is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts.benchmark_designs import (
    CUTS,
    Designs,
    judge_designs,
    measure_designs,
    pool_errors,
    readable_pools,
    readable_selection,
    shown_numbers,
)
from hista_repro.artifacts.benchmark_designs_figure import plot_pools
from hista_repro.artifacts.verdicts import Interval, Word
from hista_repro.errors import Refused
from hista_repro.sveb import record
from hista_repro.sveb.config import other_design
from hista_repro.sveb.designs import INDEPENDENT, LEAVE_ONE_OUT
from hista_repro.sveb.records import read_table

REFERENCES = [0.5, 0.25, 0.75, 0.5]
OFF = {"group-mean": 0.2, "loo-mean": 0.2, "numca": 0.2, "numca-loo": 0.1, "hista": 0.05, "hista-loo": 0.15}
"""By how much the estimates of each lie above the references; over an independent pool all leave-one-out forms miss by 0.1."""


@pytest.fixture
def designs(measured):
    off = {**OFF, **{form + INDEPENDENT: 0.1 for form in LEAVE_ONE_OUT.values()}}
    measurement = measured({name: np.array(REFERENCES) + error for name, error in off.items()}, REFERENCES)
    return Designs(measurement, {"anywhere": Interval(0.06, 0.02, 0.1), "fixed": Interval(-0.01, -0.04, 0.03)}, Interval(-2.0, -3.0, -1.0))


def test_pools_are_laid_side_by_side(designs):
    frame = readable_pools(designs.other, pool_errors(designs.other), "mae").frame
    assert frame.columns.tolist() == ["what is seen", *LEAVE_ONE_OUT]
    assert frame["hista"].tolist() == [
        "0.050 [0.050, 0.050]",
        "0.150 [0.150, 0.150]",
        "0.100 [0.100, 0.100]",
        "−0.050 [−0.050, −0.050]",
        "+0.050 [+0.050, +0.050]",
    ]


def test_selection_is_put_in_words(designs):
    frame = readable_selection(designs).frame
    assert frame["states are cut"].tolist() == list(CUTS.values())
    assert frame["own outcome − reference"].tolist() == ["+0.060 [+0.020, +0.100]", "−0.010 [−0.040, +0.030]"]


def test_claims_follow_the_signs(designs):
    words = {finding.claim: finding.word for finding in judge_designs(designs)}
    assert words["hista has a smaller mean absolute error than hista-loo over an independent pool"] is Word.AGREES
    assert words["numca has a smaller mean absolute error than numca-loo over an independent pool"] is Word.DISAGREES
    cut = [word for claim, word in words.items() if claim.startswith("states that are cut")]
    assert cut == [Word.AGREES, Word.AGREES]
    wide = replace(designs, selection={**designs.selection, "fixed": Interval(0.047, 0.005, 0.086)})
    assert judge_designs(wide)[-1].word is Word.UNDECIDED, "one benchmark in twenty shows as much by chance"
    assert len(words) == 8


def test_the_page_names_its_numbers(designs):
    shown = shown_numbers(designs)
    assert shown["hista_mae"].startswith("−0.050") and shown["hista_left_mae"].startswith("+0.050")
    assert shown["bias_anywhere"] == "+0.060 [+0.020, +0.100]"


def test_the_other_design_is_built_from_the_same_problems_and_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_RECORDS", str(tmp_path))
    build = {"model": "tiny", "problems": "arithmetic-steps", "limit": 4, "group_size": 4, "states": 2, "references": 4, "max_tokens": 72}
    build |= {"temperature": 1.0, "min_accuracy": 0.0, "max_accuracy": 1.0, "seed": 0}
    (found,) = measure_designs([build], cut_every=8)
    assert found.name == "tiny on arithmetic-steps"
    assert found.other.config == {**found.other.config, **other_design(build, 8)}
    assert set(found.other.scores["estimator"]) == {
        *LEAVE_ONE_OUT,
        *LEAVE_ONE_OUT.values(),
        *(f + INDEPENDENT for f in LEAVE_ONE_OUT.values()),
    }
    assert found.other.scores.groupby("estimator")["state_id"].nunique().nunique() == 1
    again = measure_designs([build], cut_every=8)[0]
    pd.testing.assert_frame_equal(again.other.scores, found.other.scores)
    assert list(found.selection) == ["anywhere", "fixed"]
    for builds, message in (
        ([], "builds is empty"),
        ([build] * 2, "two builds are called"),
        ([other_design(build, 8)], "published design"),
    ):
        with pytest.raises(Refused, match=message):
            measure_designs(builds, cut_every=8)
    ours, theirs = (read_table(record(settings), "rollouts") for settings in (build, other_design(build, 8)))
    pd.testing.assert_frame_equal(ours, theirs)


def test_the_figure_has_both_forms_of_every_method(designs):
    (axis,) = plot_pools({"tiny": pool_errors(designs.other)}).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == list(LEAVE_ONE_OUT)
    points = {
        line.get_label(): line.get_xdata().tolist() for line in axis.lines if line.get_label() in ("as published", "own outcome left out")
    }
    assert points["as published"][2] == pytest.approx(0.05**2 - 0.1**2)
    assert points["own outcome left out"][2] == pytest.approx(0.15**2 - 0.1**2)
