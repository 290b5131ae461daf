from dataclasses import replace

import numpy as np
import pytest

from hista_repro.artifacts.measurements import measure
from hista_repro.artifacts.shifts import (
    BIN_EDGES,
    BIN_WIDTH,
    judge_decided,
    judge_far,
    judge_smoother,
    judge_without_numbers,
    new_numbers,
    peak_difference,
    readable_shares,
    share_text,
    shift_summary,
    shifts,
)
from hista_repro.artifacts.verdicts import Word
from hista_repro.sveb import record
from hista_repro.sveb.records import read_table

GROUP = [0.5] * 8
NUMCA = [0.5, 0.51, 1.0, 1.0, 0.0, 0.0, 0.7, 0.3]
OWN = [0, 1, 1, 1, 0, 1, 1, 0]
REFERENCES = [0.5, 0.5, 0.95, 0.6, 0.05, 0.1, 0.7, 0.4]


@pytest.fixture
def numca(measured):
    return measured(
        {"group-mean": GROUP, "numca": NUMCA, "own-return": OWN, "hista": [0.5, 0.45, 0.6, 0.65, 0.4, 0.35, 0.7, 0.3]}, REFERENCES
    )


def test_shifts_by_hand(numca):
    states = shifts(numca, "numca")
    assert list(states["shift"]) == pytest.approx([0, 0.01, 0.5, 0.5, -0.5, -0.5, 0.2, -0.2])
    assert list(states["own_outcome"]) == ["wrong", "correct", "correct", "correct", "wrong", "correct", "correct", "wrong"]


def test_shares_by_hand(numca):
    row = shift_summary(numca, ["numca"]).iloc[0]
    assert row["unmoved"] == 2 / 8  # 0 and 0.01
    assert row["far"] == 4 / 8
    assert row["own"] == 3 / 4  # the last far state moved down, and its rollout ended correct
    assert row["sure"] == 3 / 4  # 0.95, 0.05 and 0.1, not 0.6
    assert row["peak"] == 2 / 8


def test_shares_lie_in_their_intervals_and_between_0_and_1(random_measurement):
    for _, row in shift_summary(random_measurement, ["numca", "numca-loo", "hista"]).iterrows():
        for name in ("unmoved", "far", "peak"):
            assert 0 <= row[f"{name}_low"] <= row[f"{name}_high"] <= 1
            assert row[f"{name}_low"] - 0.1 <= row[name] <= row[f"{name}_high"] + 0.1


def test_no_spread_is_not_certainty(measured):
    estimates = {"group-mean": [0.5] * 6, "numca": [1.0, 0.5, 1.0, 0.5, 0.5, 0.5], "own-return": [1.0] * 6}
    open_ended = measured(estimates, [0.5] * 6)
    row = shift_summary(open_ended, ["numca"]).iloc[0]
    assert (row["sure"], row["own"]) == (0, 1)
    assert row["sure_high"] == pytest.approx(0.6576, abs=1e-4)  # Wilson, 0 of the 2 problems that have a far state
    assert row["own_low"] == pytest.approx(1 - 0.6576, abs=1e-4)
    assert judge_decided(open_ended, "numca").word is Word.UNDECIDED


def test_no_far_state_gives_no_share_of_them(measured):
    still = measured({"group-mean": GROUP, "numca": GROUP, "own-return": OWN}, REFERENCES)
    row = shift_summary(still, ["numca"]).iloc[0]
    assert row["far"] == 0 and np.isnan(row["own"]) and np.isnan(row["sure"])
    assert judge_far(still, "numca").word is Word.UNDECIDED
    assert judge_decided(still, "numca").word is Word.NOT_COMPARABLE
    assert readable_shares(still, shift_summary(still, ["numca"])).frame["far: decided"].tolist() == ["–"]


def test_far_states_that_are_not_decided_speak_against_the_paper(measured):
    states = 40
    estimates = {"group-mean": [0.5] * states, "numca": [1.0, 0.0] * (states // 2), "own-return": [1, 0] * (states // 2)}
    open_ended = measured(estimates, [0.5] * states)
    assert judge_far(open_ended, "numca").word is Word.AGREES
    assert judge_decided(open_ended, "numca").word is Word.DISAGREES
    assert judge_decided(measured(estimates, [1.0, 0.0] * (states // 2)), "numca").word is Word.AGREES


def test_the_smoother_estimator_has_the_lower_peak(measured):
    states = 40
    spread = [0.2 + 0.015 * k for k in range(states)]
    both = {"group-mean": [0.5] * states, "numca": [0.5] * states, "hista": spread, "own-return": [1.0] * states}
    measurement = measured(both, [0.5] * states)
    assert peak_difference(measurement, "hista", "numca").high < 0
    assert judge_smoother(measurement, "hista", than="numca").word is Word.AGREES
    assert judge_smoother(measurement, "numca", than="hista").word is Word.DISAGREES


def test_answers_without_numbers_are_asked_for_and_else_not_run(measured, numca):
    assert [finding.word for finding in judge_without_numbers([numca], {numca.name: 3.0})] == [Word.NOT_RUN]
    states = {"group-mean": [0.5] * 40, "numca": [0.5] * 40, "own-return": [1.0] * 40}
    words = replace(measured(states, [0.5] * 40, domain="general"), name="tiny on words")
    assert [finding.word for finding in judge_without_numbers([numca, words], {numca.name: 3.0, words.name: 0.0})] == [Word.AGREES]


def test_new_numbers_are_those_of_the_problems_that_were_kept(small_build):
    (measurement,) = measure([small_build], ["group-mean"])
    problems = read_table(record(small_build), "problems")
    assert new_numbers(measurement) == problems[problems["kept"]]["new_numbers"].median() > 0


def test_one_bin_is_centred_on_no_shift():
    below = BIN_EDGES[BIN_EDGES < 0].max()
    assert below == pytest.approx(-BIN_WIDTH / 2) and BIN_EDGES[0] <= -1 and BIN_EDGES[-1] >= 1


def test_shares_are_written_in_percent():
    assert share_text(0.123) == "12%"
    assert share_text(float("nan")) == "–"
