from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts.leakage import (
    PARTS,
    control_name,
    gain_parts,
    help_by_position,
    judge_leakage,
    readable_help,
    readable_parts,
    weight_by_position,
    with_controls,
)
from hista_repro.artifacts.leakage_figure import plot_leakage
from hista_repro.artifacts.verdicts import Word

STATES = 80
REFERENCES = [0.5] * STATES
FRACTIONS = np.arange(STATES) % 10 / 10 + 0.05


def own_weights_of(measurement, **weights):
    """One weight for all states of an estimator; every problem has a state in two tenths."""
    states = measurement.estimates()[["state_id", "problem_id"]].assign(domain="number", fraction=FRACTIONS)
    return pd.concat([states.assign(estimator=name, weight=weight) for name, weight in weights.items()], ignore_index=True)


@pytest.fixture
def audited(measured):
    """References of 0.5, own returns of 1, and estimators that err by the same amount everywhere, hista-permuted by that of group-mean."""
    off = {"hista": 0.1, "hista-loo": 0.2, "numca": 0.25, "numca-loo": 0.35, "loo-mean": 0.3, "group-mean": 0.25, "ramp": 0.15}
    estimates = {name: [0.5 - error] * STATES for name, error in off.items()} | {"own-return": [1.0] * STATES}
    measurement = measured(estimates, REFERENCES)
    permuted = measurement.scores[measurement.scores["estimator"] == "group-mean"].assign(estimator="hista-permuted")
    measurement = replace(measurement, scores=pd.concat([measurement.scores, permuted], ignore_index=True))
    weights = own_weights_of(measurement, hista=0.25, numca=0.0)
    return with_controls(measurement, weights), weights


def test_the_control_mixes_the_others_and_the_own_return_by_the_weight(audited):
    states = audited[0].estimates()
    assert states[control_name("hista")].to_numpy() == pytest.approx(0.75 * 0.2 + 0.25 * 1.0)
    assert states[control_name("numca")].to_numpy() == pytest.approx(0.2), "no weight leaves loo-mean"


def test_the_parts_of_a_gain_by_hand(audited):
    table = gain_parts(audited[0], "hista").set_index(["error", "part"])
    mae = table.loc["mae", "gain"]
    assert mae.to_dict() == pytest.approx({"published": 0.15, "left": 0.1, "own": 0.05, "alone": 0.25 - 0.1})
    squares = {"published": 0.25**2 - 0.1**2, "left": 0.3**2 - 0.2**2, "alone": 0.25**2 - 0.1**2}
    assert table.loc["mse", "gain"].to_dict() == pytest.approx({**squares, "own": squares["published"] - squares["left"]})
    assert table["low"].to_numpy() == pytest.approx(table["gain"].to_numpy()), "the same in every problem"


def test_the_parts_add_up_and_lie_in_their_intervals(random_measurement):
    measurement = with_controls(random_measurement, own_weights_of_random(random_measurement))
    for method in ("hista", "numca"):
        table = gain_parts(measurement, method).set_index(["error", "part"])["gain"].unstack()
        assert (table["left"] + table["own"]).to_numpy() == pytest.approx(table["published"].to_numpy())
    parts = gain_parts(measurement, "hista")
    assert ((parts["low"] < parts["gain"]) & (parts["gain"] < parts["high"])).all()


def own_weights_of_random(measurement):
    states = measurement.estimates()[["state_id", "problem_id"]].assign(domain="number", fraction=0.5)
    return pd.concat([states.assign(estimator=name, weight=0.3) for name in ("hista", "numca")], ignore_index=True)


def test_weights_are_averaged_by_tenths(audited):
    weights = audited[1].assign(weight=lambda table: table["fraction"])
    table = weight_by_position(weights)
    hista = table[table["estimator"] == "hista"]
    assert hista["bin"].to_numpy() == pytest.approx(np.arange(10) / 10 + 0.05)
    assert hista["weight"].to_numpy() == pytest.approx(hista["bin"].to_numpy())
    assert hista["n_states"].tolist() == [8] * 10


def test_a_tenth_with_one_problem_has_no_interval(audited):
    measurement, weights = audited
    last = weights["state_id"].isin(weights["state_id"].unique()[-2:])
    lonely = weights.assign(fraction=np.where(last, 0.99, 0.01))
    table = weight_by_position(lonely)
    assert table["weight_low"].isna().tolist() == [False, True] * 2
    help_table = help_by_position(measurement, lonely, "hista")
    assert help_table["word"].tolist() == ["helps", "undecided"]
    assert readable_help(measurement, {"hista": help_table}).frame["hista-loo"].iloc[1] == "–"


def test_where_the_leave_one_out_form_helps(audited):
    measurement, weights = audited
    table = help_by_position(measurement, weights, "hista")
    assert table["mean"].to_numpy() == pytest.approx(0.1) and set(table["word"]) == {"helps"}
    assert set(help_by_position(measurement, weights, "numca")["word"]) == {"harms"}


def test_the_findings_are_about_the_method_and_its_controls(audited):
    words = [finding.word for finding in judge_leakage(audited[0], "hista")]
    assert words == [Word.AGREES, Word.AGREES, Word.UNDECIDED, Word.AGREES, Word.AGREES, Word.AGREES], "the control is exactly as good"
    words = [finding.word for finding in judge_leakage(audited[0], "numca")]
    assert words == [Word.UNDECIDED, Word.DISAGREES, Word.AGREES, Word.DISAGREES, Word.DISAGREES]


def test_a_method_that_is_its_own_control_but_for_rounding_is_not_told_from_it(measured):
    mean = 0.75 * 0.2 + 0.25
    estimates = {"numca": [mean - 1e-7] * STATES, "loo-mean": [0.2] * STATES, "own-return": [1.0] * STATES}
    estimates |= {name: [0.3] * STATES for name in ("numca-loo", "group-mean", "ramp")}
    measurement = measured(estimates, REFERENCES)
    measurement = with_controls(measurement, own_weights_of(measurement, numca=0.25), ["numca"])
    findings = {finding.claim: finding for finding in judge_leakage(measurement, "numca")}
    finding = findings["numca has a smaller error than the own outcome at the same weight"]
    assert finding.word is Word.UNDECIDED and finding.ours.endswith("+0.000 [+0.000, +0.000]")


def test_the_ramp_is_compared_in_both_errors(measured):
    """Of two states of a problem, Hista is exact in one and off by 0.4 in the other; the ramp is off by 0.25 in both."""
    estimates = {name: [0.3] * STATES for name in ("hista-loo", "loo-mean", "group-mean", "numca")}
    estimates |= {"hista": [0.5, 0.1] * (STATES // 2), "ramp": [0.25] * STATES, "own-return": [1.0] * STATES}
    measurement = measured(estimates, REFERENCES)
    permuted = measurement.scores[measurement.scores["estimator"] == "group-mean"].assign(estimator="hista-permuted")
    measurement = replace(measurement, scores=pd.concat([measurement.scores, permuted], ignore_index=True))
    measurement = with_controls(measurement, own_weights_of(measurement, hista=0.25, numca=0.0))
    words = {finding.claim: finding.word for finding in judge_leakage(measurement, "hista")}
    assert words["hista has a smaller error than the ramp"] is Word.AGREES
    assert words["hista has a smaller corrected squared error than the ramp"] is Word.DISAGREES


def test_the_page_s_table_has_a_row_for_each_part(audited):
    shown = readable_parts(audited[0], {"hista": gain_parts(audited[0], "hista")}).frame
    assert shown["part of the gain"].tolist() == list(PARTS.values())
    assert shown["MAE"].iloc[0] == "+0.150 [+0.150, +0.150]"


def test_the_figure_has_a_panel_of_weights_and_one_of_gains(audited):
    measurement, weights = audited
    gains = {method: gain_parts(measurement, method) for method in ("hista", "numca")}
    figure = plot_leakage({"tiny": weight_by_position(weights)}, {"tiny": gains})
    above, below = (panel.axes[0] for panel in figure.subfigs)
    assert above.get_title(loc="left") == "tiny"
    assert [bar.get_width() for bar in below.patches][:4] == pytest.approx([0.15, 0.1, 0.05, 0.15])
