from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hista_repro.artifacts.theory import (
    BINS,
    PAIRS,
    WEIGHTS,
    _folds,
    _gains,
    _of_states,
    _pairs,
    _tenths,
    _weights,
    alike_by_distance,
    conditions,
    correlation,
    judge_theorems,
    others_text,
    readable_correlation,
    shares,
)
from hista_repro.artifacts.theory_figure import plot_theory
from hista_repro.artifacts.verdicts import Interval, Word
from hista_repro.estimators import get_estimator, min_distance, smooth
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

PROBABILITIES = arrays(float, st.integers(3, 8), elements=st.integers(0, 20).map(lambda successes: successes / 20))


@pytest.fixture(scope="module")
def benchmark(small_build):
    return Benchmark(record(small_build))


def exact_weights(values):
    return np.outer(values, values) + np.outer(1 - values, 1 - values)


@given(values=PROBABILITIES, data=st.data())
def test_theorem_5_5_holds_for_any_weights_where_its_assumption_does(values, data):
    size = len(values)
    weights = data.draw(arrays(float, (size, size), elements=st.floats(0.01, 1)))
    for _, state in _of_states(values, weights):
        assert state["no_larger"] or not state["both"]


@given(values=PROBABILITIES.map(lambda values: 0.01 + 0.98 * values))  # strictly inside, where every state has a weight above zero
def test_exact_weights_break_condition_7_between_one_half_and_the_mean_of_the_others(values):
    for (_, state), value, others in zip(_of_states(values, exact_weights(values)), values, leave_one_out(values), strict=True):
        if others.var() > 1e-9 and not np.isclose([value - others.mean(), value - 0.5], 0).any():
            assert state["seven"] != state["between"]


def leave_one_out(values):
    return [np.delete(values, t) for t in range(len(values))]


def test_a_state_worked_by_hand():
    values = np.array([0.6, 1.0, 0.8])
    (_, state), *_ = _of_states(values, exact_weights(values))
    # X = 0.4, 0.2 with W = 0.6, 0.56: the plain mean is 0.3 off, the weighted one 0.352 / 1.16
    assert state["between"] and not state["seven"] and not state["no_larger"]
    assert _gains(values, values, exact_weights(values))[0] == pytest.approx(0.3 - (0.6 * 0.4 + 0.56 * 0.2) / 1.16)
    # the sign is that of the known values: the others lie 0.2 below the state, by which the plain mean of +0.3 counts as -0.3
    assert _gains(np.array([0.9, 0.7, 0.7]), values, np.ones((3, 3)) + np.eye(3))[0] == pytest.approx(0)
    assert _gains(np.array([0.9, 0.7, 0.7]), values, np.array([[0, 1, 3]] * 3))[0] == pytest.approx(-0.3 + 0.25)


def test_a_mean_without_weights_is_the_plain_one():
    values = np.array([0.0, 1.0, 1.0])
    assert _gains(values, values, exact_weights(values))[0] == 0


def test_every_continuation_gives_values_once_and_never_its_own_sign():
    rewards = np.eye(45)[:3]
    folds = list(_folds(rewards))
    assert len(folds) == 20 and len(list(_folds(np.eye(4)))) == 4
    for known, other in folds:
        assert ((known > 0) == (other == 0)).all()


def test_noise_of_the_references_adds_little_to_the_gain():
    """Of the gain that noise adds where biases are measured and judged by the same continuations, most is gone."""
    rng = np.random.default_rng(0)
    same, apart, true = [], [], []
    for _ in range(400):
        values = rng.choice([0.02, 0.5, 0.9, 0.98], 5)
        rewards = rng.binomial(1, np.repeat(values[:, None], 10, axis=1)).astype(float)
        true.append(_gains(values, values, exact_weights(values)).mean())
        means = rewards.mean(axis=1)
        same.append(_gains(means, means, exact_weights(means)).mean())
        apart.append(np.mean([_gains(known, other, _weights(known, None)).mean() for known, other in _folds(rewards)]))
    assert abs(np.mean(apart) - np.mean(true)) < 0.6 * abs(np.mean(same) - np.mean(true))


@pytest.mark.parametrize("as_long", [False, True])
def test_pairs_are_those_of_different_rollouts_at_their_distance(benchmark, as_long):
    group = next(iter(benchmark.groups.values()))
    hista = get_estimator("hista").for_length(benchmark.typical_length)
    rows = [smooth(hidden, hista.alpha, hista.interval) for hidden in group.hidden().completions]
    nodes = [(i, r) for i in range(group.size) for r in range(hista.stride, len(rows[i]) + 1, hista.stride)]
    pairs = [(a, b) for a in nodes for b in nodes if a[0] < b[0] and (a[1] == b[1] or not as_long)]
    table = _pairs(group, benchmark.typical_length)
    table = table[table["rows"] == table["other_rows"]] if as_long else table
    distances, alike, same_text = (table[name].to_numpy() for name in ("distance", "alike", "same_text"))
    assert len(distances) == len(pairs)
    for place in range(0, len(pairs), max(1, len(pairs) // 50)):
        (i, a), (j, b) = pairs[place]
        expected = float(min_distance(rows[i][:a], rows[j][:b]))
        assert distances[place] == pytest.approx(expected, rel=1e-4, abs=1e-4 * distances.max())
        assert same_text[place] == (group.prefix(i, a * hista.interval) == group.prefix(j, b * hista.interval))
        assert alike[place] == float(group.rewards_G[i] == group.rewards_G[j])


def test_tenths_are_sorted_by_distance_and_hold_all_pairs(benchmark):
    table = alike_by_distance(benchmark, "any")
    for name, part in table.groupby("problem_id"):
        assert part["bin"].tolist() == list(range(BINS)) and part["distance"].is_monotonic_increasing
        pairs = _pairs(benchmark.groups[name], benchmark.typical_length)
        for column in ("alike", "same_text"):
            assert part[column].mean() == pytest.approx(pairs[column].mean(), abs=BINS / len(pairs))
        parted = pairs[pairs["same_text"] == 0]
        assert part["parted_alike"].mean() == pytest.approx(parted["alike"].mean(), abs=BINS / len(parted))
        assert (part["parted_distance"] > 0).all()


def test_pairs_of_a_length_are_ranked_among_themselves():
    """Short states are near and end alike, long ones are far and do not: among those of a length distance says nothing."""
    distances = np.array([*range(1, 41), *range(101, 141)], float)
    pairs = pd.DataFrame({"rows": [1] * 40 + [9] * 40, "distance": distances, "alike": [1.0] * 40 + [0.0] * 40, "same_text": 0.0})
    assert _tenths(pairs, [])["alike"].tolist() == [1] * 5 + [0] * 5
    assert _tenths(pairs, ["rows"])["alike"].tolist() == [0.5] * 10
    few = pd.concat([pairs, pd.DataFrame({"rows": 20, "distance": [500.0] * 9, "alike": 1.0, "same_text": 0.0})])
    assert _tenths(few.reset_index(drop=True), ["rows"]).equals(_tenths(pairs, ["rows"])), "nine pairs have no tenths"


def ends(near, far, distance=4.0):
    """A table of two problems with these shares in the nearest and the farthest tenth, `distance` times as far, and no equal texts."""
    rows = [(name, 0, 1.0, near, 0.0) for name in "ab"] + [(name, 9, distance, far, 0.0) for name in "ab"]
    table = pd.DataFrame(rows, columns=["problem_id", "bin", "distance", "alike", "same_text"])
    return table.assign(parted_distance=table["distance"], parted_alike=table["alike"])


def test_equal_texts_count_among_the_nearest_and_not_in_the_exponent():
    parted = ends(0.8, 0.2)
    nearest = parted["bin"] == 0
    with_equal = parted.assign(alike=parted["alike"].mask(nearest, 0.9), distance=parted["distance"].mask(nearest, 0.0))
    found = correlation(with_equal.assign(same_text=nearest * 0.5))
    assert (found["near"].estimate, found["same_text"].estimate) == (pytest.approx(0.9), pytest.approx(0.25))
    assert found["exponent"].estimate == pytest.approx(correlation(parted)["exponent"].estimate)
    assert readable_correlation({"any": found}).frame["same text"].iloc[0].startswith("0.250")


def test_a_problem_of_equal_texts_alone_has_no_part_in_the_exponent():
    table = ends(0.8, 0.2)
    alone = table["problem_id"] == "b"
    equal = table.assign(**{name: table[name].mask(alone) for name in ("parted_distance", "parted_alike")})
    assert correlation(equal)["exponent"].estimate == pytest.approx(-1)


def test_the_exponent_is_that_of_the_power_through_both_ends():
    found = correlation(ends(0.8, 0.2))
    assert found["difference"].estimate == pytest.approx(0.6)
    assert found["exponent"].estimate == pytest.approx(-1)
    assert correlation(ends(0.6, 0.5))["exponent"].estimate == pytest.approx(log(0.6 / 0.5) / log(1 / 4))


def test_verdicts_follow_from_the_intervals():
    share = {name: Interval(0.5, 0.4, 0.6) for name in ("seven", "eight", "both", "no_larger", "larger", "between")} | {
        "gain": Interval(0.1, 0.05, 0.2)
    }
    pairs = {"any": correlation(ends(0.8, 0.2)), "as long": correlation(ends(0.6, 0.5))}
    findings = judge_theorems("tiny", pairs, {"distance": share})
    assert findings[-1].ours == "+0.100 [+0.050, +0.200]; larger in a share of 0.500 [0.400, 0.600] of the states"
    words = [finding.word for finding in findings]
    assert words == [Word.AGREES, Word.AGREES, Word.AGREES, Word.DISAGREES, Word.DISAGREES, Word.AGREES]


def unlike_all_others(values):
    """How many states surely end otherwise than all others of their problem."""
    return sum(value in (0, 1) and set(values[:t] + values[t + 1 :]) == {1 - value} for t, value in enumerate(values))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_every_state_of_a_build_is_counted_once(benchmark, weights):
    table = conditions(benchmark, weights)
    values = [(states["successes"] / states["n"]).tolist() for states in benchmark.states.values() if len(states) > 2]
    without_weight = sum(map(unlike_all_others, values)) if weights == "probability" else 0
    assert len(table) == sum(map(len, values)) - without_weight
    assert (table["both"] == table["seven"] & table["eight"]).all()
    assert table.loc[table["both"], "no_larger"].all()
    found = shares(table)
    assert found["both"].estimate == pytest.approx(table["both"].mean())
    assert found["larger"].estimate == pytest.approx(1 - table["no_larger"].mean())
    assert found["gain"].estimate == pytest.approx(table["gain"].mean())


def test_fewer_continuations_are_the_first_ones(benchmark):
    everything = conditions(benchmark, "distance")
    most = min(len(rewards) for states in benchmark.states.values() for rewards in states["rewards"])
    assert conditions(benchmark, "distance", most).equals(everything)
    fewer = conditions(benchmark, "distance", 2)
    assert len(fewer) == len(everything) and not fewer["gain"].equals(everything["gain"])


def test_states_are_weighed_by_the_rollouts_that_they_were_cut_from(small_build):
    folder = record({**small_build, "independent_pool": True})
    seen, cut_from = (conditions(Benchmark(folder, independent_pool=pool), "distance") for pool in (True, False))
    pd.testing.assert_frame_equal(seen, cut_from)


def test_from_how_many_others_a_state_is_valued(benchmark):
    others = {len(states) - 1 for states in benchmark.states.values() if len(states) > 2}
    assert others == {2} and others_text(benchmark) == "2"
    name = next(iter(benchmark.states))
    uneven = benchmark.only(benchmark.states)
    uneven.states = {**benchmark.states, name: pd.concat([benchmark.states[name]] * 2)}
    assert others_text(uneven) == "2 to 5"


def test_the_figure_has_two_panels_for_each_measurement(benchmark):
    alike = {"tiny": {pairs: alike_by_distance(benchmark, pairs) for pairs in PAIRS}}
    holding = {"tiny": {weights: shares(conditions(benchmark, weights)) for weights in WEIGHTS}}
    assert [axis.get_title(loc="left") for axis in plot_theory(alike, holding).axes] == ["tiny: Theorem 5.2", "tiny: Theorem 5.5"]
