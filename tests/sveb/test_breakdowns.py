import numpy as np
import pandas as pd
import pytest

from hista_repro.errors import Refused
from hista_repro.sveb.breakdowns import calibration, calibration_slopes, error_by_position
from hista_repro.sveb.statistics import corrected_mse, mae


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"state_id": [f"s{i:04}" for i in range(2000)], "problem_id": [f"p{i // 5}" for i in range(2000)]})
    true = rng.random(2000)
    rows = rows.assign(domain="math", information="siblings", n=20, reference=rng.binomial(20, true) / 20, fraction=rng.random(2000))
    half = (true + 0.5) / 2
    return pd.concat([rows.assign(estimator="true", estimate=true), rows.assign(estimator="half", estimate=half)], ignore_index=True)


def test_true_values_are_calibrated_and_shrunk_ones_are_not(scores):
    frame = calibration(scores, repeats=200)
    true, half = frame[frame.estimator == "true"], frame[frame.estimator == "half"]
    assert len(true) == 10 and true.n_states.sum() == 2000
    assert true.reference.to_numpy() == pytest.approx(true.estimate.to_numpy(), abs=0.05)
    assert half["bin"].tolist() == pytest.approx([0.25, 0.35, 0.45, 0.55, 0.65, 0.75]), "nothing outside 0.25 to 0.75"
    assert half.reference.iloc[0] < half.estimate.iloc[0] - 0.1
    assert ((true.reference_low <= true.reference) & (true.reference <= true.reference_high)).all()


def test_errors_by_position_add_up_to_the_whole(scores):
    frame = error_by_position(scores, repeats=50)
    for name, part in frame.groupby("estimator"):
        whole = scores[scores.estimator == name]
        assert np.average(part.mae, weights=part.n_states) == pytest.approx(mae(whole.estimate, whole.reference))
        expected = corrected_mse(whole.estimate, whole.reference * 20, 20)
        assert np.average(part.mse, weights=part.n_states) == pytest.approx(expected)


def test_the_first_and_last_position_have_bins(scores):
    frame = error_by_position(scores.assign(fraction=[0.0, 1.0] * 2000), bins=4, repeats=50)
    assert sorted(frame["bin"].unique()) == [0.125, 0.875]


def test_slopes_say_how_far_values_are_from_what_comes_true(scores):
    far = scores[scores.estimator == "true"].assign(estimator="far", estimate=lambda rows: 2 * rows.estimate)
    constant = far.assign(estimator="constant", estimate=0.3)
    frame = calibration_slopes(pd.concat([scores, far, constant]), repeats=500).set_index("estimator")
    true, half = frame.loc["true"], frame.loc["half"]
    assert true.slope_low < 1 < true.slope_high and true.slope_high - true.slope_low < 0.1
    assert (half.slope, frame.loc["far"].slope) == (pytest.approx(2 * true.slope), pytest.approx(true.slope / 2))
    assert np.isnan(frame.loc["constant"].slope)
    rows = scores[scores.estimator == "half"]
    assert half.slope == pytest.approx(np.polyfit(rows.estimate, rows.reference, 1)[0])


def test_estimates_beyond_the_unit_interval_fall_in_the_outer_bins(scores):
    frame = calibration(scores.assign(estimate=scores.estimate * 3 - 1), repeats=50)
    assert frame["bin"].between(0, 1).all() and frame.groupby("estimator").n_states.sum().eq(2000).all()


def test_positions_are_asked_for(scores):
    with pytest.raises(Refused, match="lack the column 'fraction'"):
        error_by_position(scores.drop(columns="fraction"))
