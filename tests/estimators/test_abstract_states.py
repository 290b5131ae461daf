from fractions import Fraction
from itertools import permutations

import pytest

from hista_repro.estimators.abstract_states import EMPTY, VisitTable, extend, path


def test_a_state_is_a_set_whatever_the_order():
    ends = {path(order)[-1] for order in permutations([Fraction(1), Fraction(1, 2), "7" * 200])}
    assert len(ends) == 1
    assert ends != {EMPTY}


def test_sets_that_differ_have_other_names():
    states = [path(map(Fraction, subset))[-1] for subset in ((), (1,), (2,), (-1,), (1, 2), (1, -2), (12,), ("1/2",))]
    assert len(set(states)) == len(states)


def test_a_repeated_milestone_changes_nothing():
    assert path([1, 2, 1]) == [EMPTY, extend(EMPTY, 1), extend(extend(EMPTY, 1), 2), extend(extend(EMPTY, 1), 2)]


def test_values_by_hand():
    table = VisitTable([path([1, 2]), path([1]), path([3])], [Fraction(1), Fraction(0), Fraction(1, 4)])
    one = path([1])[-1]
    assert table.value(one, 9.0) == 0.5
    assert table.value(one, 9.0, without=0) == 0.0
    assert table.value(one, 9.0, without=2) == 0.5, "the third rollout does not pass through it"
    assert table.value(path([3])[-1], 9.0, without=2) == 9.0
    assert table.value(one, 1.0, kappa=1.0) == pytest.approx(2 / 3)


@pytest.mark.parametrize("reward", [0.1, 0.7, 1e-9])
def test_equal_rewards_give_that_reward_exactly(reward):
    table = VisitTable([path([1])] * 7, [Fraction(reward)] * 7)
    assert table.value(path([1])[-1], reward, without=3, kappa=0.3) == reward
