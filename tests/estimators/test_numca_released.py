import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.estimators import get_estimator, numca_values
from hista_repro.estimators.numca_released import merge_close, released_values
from hista_repro.rollouts.group import RolloutGroup


def test_merging_by_hand():
    assert merge_close([0, 40, 80, 120, 300], 50) == [40, 40, 120, 120, 300]


@given(st.lists(st.integers(0, 400)).map(sorted), st.integers(1, 60))
def test_merging_moves_numbers_only_onto_later_ones(places, spacing):
    merged = merge_close(places, spacing)
    assert merged == sorted(merged)
    assert all(after >= before and after in places for before, after in zip(places, merged, strict=True))


def test_numbers_are_digit_strings_and_the_last_is_dropped():
    # "3.14, 1,000, -5/7, \boxed{42}" holds 3, 14, 1, 000, 5, 7 and the dropped 42; far enough apart each makes a state.
    gap = "." * 60
    text = gap.join(["3", "14", "1", "000", "5", "7", r"\boxed{42}"])
    states = numca_values([text, "3"], [1.0, 0.0], variant="released")
    assert len(states[0]) == 6, "the 3 at offset 0 takes the place of the empty state"
    assert states[1] == [(0, 0.5)], "the only number of the second rollout is its last"
    assert [value for _, value in states[0]] == [1.0] * 6


def test_states_closer_than_fifty_characters_become_the_last_of_them():
    text = "a 1 b 2 c" + "." * 60 + "3 d 9"
    # 1 and 2 share the place of 2; {1, 2} is reached by both rollouts, {1, 2, 3} by the first alone.
    values = numca_values([text, "a 2 b 1 c 9"], [1.0, 0.0], variant="released")
    assert values[0] == [(0, 0.5), (6, 0.5), (69, 1.0)]
    assert values[1] == [(0, 0.5), (6, 0.5)]


def test_a_repeated_number_moves_the_one_before():
    assert released_values(["a 1 b 1 c 2"], [1.0], spacing=5) == [[(0, 1.0), (6, 1.0)]]
    assert released_values(["a 1 b 1 c 2"], [1.0], spacing=1) == [[(0, 1.0), (2, 1.0)]]


def test_in_training_a_state_holds_after_the_first_token_of_its_number():
    completions = ("ab 12 c 34", "ab 12 c 99")
    # Tokens: "ab", " 1", "2", " c", " 34" or " 99". The 12 begins inside token 1, so its state holds from token 2 on.
    ends = ((2, 4, 5, 7, 10),) * 2
    group = RolloutGroup("p", completions, ends, torch.tensor([1.0, 0.0]))
    assert released_values(completions, [1.0, 0.0], token_ends=ends) == [[(0, 0.5), (2, 0.5)]] * 2
    lone = RolloutGroup("p", ("ab 12 c 34", "x"), ((2, 4, 5, 7, 10), (1,)), torch.tensor([1.0, 0.0]))
    assert get_estimator("numca-released").values(lone, [range(6), [0, 1]])[0].tolist() == [0.5, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert get_estimator("numca-released").values(group, [[5], [5]])[0].tolist() == [0.5]


def test_the_spacing_follows_the_length():
    assert get_estimator("numca-released").for_length(100).spacing == 5
    assert get_estimator("numca-released").for_length(3).spacing == 1


def test_positions_are_checked():
    group = RolloutGroup("p", ("1",), ((1,),), torch.tensor([1.0]))
    with pytest.raises(ValueError, match=r"positions\[0\] holds 2, which is outside 0..1"):
        get_estimator("numca-released").values(group, [[2]])
    with pytest.raises(ValueError, match="positions has 2 entries for 1 completions"):
        get_estimator("numca-released").values(group, [[0], [0]])
