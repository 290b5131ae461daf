"""Where estimators err, on measurements where it is known."""

import numpy as np
import pytest

from hista_repro.artifacts.conditions import (
    PARTS,
    UNBIASED,
    errors_left,
    judge_parts,
    judge_slopes,
    parts_of,
    readable_parts,
    shown_numbers,
    slopes,
    with_fractions,
)
from hista_repro.artifacts.conditions_figure import plot_conditions
from hista_repro.artifacts.measurements import measure
from hista_repro.artifacts.verdicts import Word
from hista_repro.sveb import record
from hista_repro.sveb.records import read_table

PROBLEMS, STATES, N = 90, 6, 50
FIRST, MIDDLE, LAST, HARD, MIXED, EASY = PARTS


@pytest.fixture
def known(measured):
    """Values move away from those of their problems along the answer; Hista knows the value in the last third, and is the mean before."""
    rng = np.random.default_rng(0)
    of_problem = np.repeat(rng.uniform(0.1, 0.9, PROBLEMS), STATES)
    late = np.tile(np.arange(STATES) >= 4, PROBLEMS)
    value = np.clip(of_problem + late * rng.choice([-0.3, 0.3], PROBLEMS * STATES), 0, 1)
    hista = np.where(late, value, of_problem)
    names = ("loo-mean", "prefix-tree-loo", "numca-loo", "numca")
    estimates = {**dict.fromkeys(names, of_problem), "hista-loo": hista, "hista": 2 * hista - 0.5}
    measurement = measured(estimates, rng.binomial(N, value) / N, states=STATES)
    fractions = dict(zip(measurement.scores["state_id"].unique(), np.tile([0.0, 0.3, 0.4, 0.6, 0.7, 1.0], PROBLEMS), strict=True))
    measurement.scores["fraction"] = measurement.scores["state_id"].map(fractions)
    return measurement


def test_every_state_is_in_one_part_by_position_and_in_one_by_difficulty(known):
    parts = parts_of(known)
    states = {name: part.scores["state_id"].nunique() for name, part in parts.items()}
    assert [states[name] for name in (FIRST, MIDDLE, LAST)] == [2 * PROBLEMS] * 3
    assert states[HARD] + states[MIXED] + states[EASY] == STATES * PROBLEMS and min(states.values()) > 0
    assert (parts[HARD].estimates()["loo-mean"] < 1 / 3).all() and (parts[EASY].estimates()["loo-mean"] >= 2 / 3).all()


def test_an_error_is_left_where_nothing_is_known(known):
    parts = parts_of(known)
    assert errors_left(parts[LAST])["hista-loo"].high < 0.1
    assert errors_left(parts[LAST])["numca-loo"].text() == "1.000 [1.000, 1.000]"
    shown = readable_parts(parts).frame.set_index("states")
    assert shown.index[2] == f"last third ({2 * PROBLEMS} states, {PROBLEMS} problems)"
    assert float(shown["loo-mean"].iloc[2]) == pytest.approx(0.09, abs=0.02)


def test_what_is_said_of_parts_and_of_slopes(known):
    words = {finding.claim: finding.word for finding in judge_parts(parts_of(known))}
    assert words[f"hista-loo errs less than loo-mean, {FIRST}"] is Word.UNDECIDED
    assert words[f"hista-loo errs less than loo-mean, {LAST}"] is Word.AGREES
    assert slopes(known)["hista"].estimate == pytest.approx(slopes(known)["hista-loo"].estimate / 2)
    words = {finding.claim: finding.word for finding in judge_slopes(known)}
    assert words["values of hista are further apart than what comes true"] is Word.AGREES
    assert words["values of hista-loo are further apart than what comes true"] is Word.UNDECIDED


def test_a_part_of_few_problems_has_no_intervals_and_the_page_stands(measured):
    values = np.full(20, 0.5)  # no estimator says anything, so that none has a slope
    few = measured({name: values for name in ("loo-mean", *UNBIASED, "numca", "hista")}, np.linspace(0, 1, 20), states=2)
    few.scores["fraction"] = 0.5
    parts = parts_of(few)
    assert errors_left(parts[FIRST]) is None
    assert {f.word for f in judge_parts(parts)} == {Word.NOT_RUN}
    assert readable_parts(parts).frame["hista-loo"].tolist()[0] == "too few problems"
    assert shown_numbers(few, parts)["first"] == "too few problems" and slopes(few) == {}


def test_the_page_on_a_build(small_build):
    (found,) = [with_fractions(m) for m in measure([small_build], ["loo-mean", *UNBIASED, "numca", "hista"])]
    states = read_table(record(small_build), "states").set_index("state_id")["fraction"]
    assert found.scores["fraction"].tolist() == states.loc[found.scores["state_id"]].tolist()
    figure = plot_conditions([found, found])
    assert [axis.get_title("left") for axis in figure.axes[::2]] == [found.name] * 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["loo-mean", "numca-loo", "hista-loo", "hista"]
