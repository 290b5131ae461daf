from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.estimators import get_estimator, numca_values
from hista_repro.estimators.milestones import milestones
from hista_repro.rollouts.group import RolloutGroup

COMPLETIONS = ("3+4=7, so 7", "4+3=7", "3+5=8", "no idea")
REWARDS = (1.0, 0.0, 0.5, 0.25)
ROLLOUTS = st.lists(st.tuples(st.text(alphabet="012 .,/-=", max_size=12), st.sampled_from([0.0, 1.0, 0.1])), min_size=2, max_size=5)


def group_of(completions, rewards):
    """One token per character."""
    ends = tuple(tuple(range(1, len(text) + 1)) for text in completions)
    return RolloutGroup("p", tuple(completions), ends, torch.tensor(rewards))


def every_position(group):
    return [range(group.length(i) + 1) for i in range(group.size)]


def abstract_states(text):
    """The abstract states of a text in order, as sets, by the plain definition."""
    states = [frozenset()]
    for milestone in milestones(text):
        if milestone.value not in states[-1]:
            states.append(states[-1] | {milestone.value})
    return states


def plain_value(completions, rewards, states, left_out=None):
    """Algorithm 1 with sets for keys: the mean reward of the rollouts that pass through the last of `states` that any passes through."""
    visits = [abstract_states(completion) for completion in completions]
    for state in reversed(states):
        if found := [Fraction(reward) for i, reward in enumerate(rewards) if i != left_out and state in visits[i]]:
            return float(sum(found) / len(found))
    raise AssertionError("every rollout passes through the empty state")


def test_algorithm_1_by_hand():
    # {} holds all four; {3} the first and third; {3, 4} the first and, by way of {4}, the second; {3, 4, 7} both again.
    assert numca_values(COMPLETIONS, REWARDS) == [
        [(0, 0.4375), (1, 0.75), (3, 0.5), (5, 0.5)],
        [(0, 0.4375), (1, 0.0), (3, 0.5), (5, 0.5)],
        [(0, 0.4375), (1, 0.75), (3, 0.5), (5, 0.5)],
        [(0, 0.4375)],
    ]


def test_leave_one_out_by_hand():
    values = numca_values(COMPLETIONS, REWARDS, variant="leave_one_out")
    assert values[0] == [(0, 0.25), (1, 0.5), (3, 0.0), (5, 0.0)]
    assert values[1] == [(0, 1.75 / 3), (1, 1.75 / 3), (3, 1.0), (5, 1.0)], "no other rollout begins with 4: back to the empty state"
    assert values[2] == [(0, 1.25 / 3), (1, 1.0), (3, 1.0), (5, 1.0)], "no other rollout has 5: back to {3}"


def test_numbers_are_milestones_by_value():
    completions = ("07 then 0.50", r"7.0 then \frac{1}{2}")
    assert numca_values(completions, (1.0, 0.0)) == [[(0, 0.5), (2, 0.5), (12, 0.5)], [(0, 0.5), (3, 0.5), (20, 0.5)]]


def test_a_repeated_number_begins_no_state():
    assert [offset for offset, _ in numca_values(["1 1 2 1"], [1.0])[0]] == [0, 1, 5]


@given(ROLLOUTS)
def test_the_function_equals_the_plain_definition(rollouts):
    completions, rewards = zip(*rollouts, strict=True)
    for variant in ("paper", "leave_one_out"):
        for i, found in enumerate(numca_values(completions, rewards, variant=variant)):
            states = abstract_states(completions[i])
            left_out = i if variant == "leave_one_out" else None
            expected = [plain_value(completions, rewards, states[: k + 1], left_out) for k in range(len(states))]
            assert [value for _, value in found] == expected


@given(ROLLOUTS)
def test_the_estimators_read_each_prefix_alone(rollouts):
    completions, rewards = zip(*rollouts, strict=True)
    group = group_of(completions, rewards)
    rewards = group.rewards_G.tolist()
    for name, settings in (("numca", {}), ("numca-loo", {"kappa": 0.0})):
        values = get_estimator(name, **settings).values(group, every_position(group))
        for i, text in enumerate(completions):
            left_out = i if name == "numca-loo" else None
            plain = [plain_value(completions, rewards, abstract_states(text[:t]), left_out) for t in range(len(text) + 1)]
            assert values[i].tolist() == torch.tensor(plain).tolist()


def test_positions_come_in_any_order_and_number():
    group = group_of(COMPLETIONS, REWARDS)
    full = get_estimator("numca-loo").values(group, every_position(group))
    some = get_estimator("numca-loo").values(group, [[5, 0, 5], [], [1], [0]])
    assert [part.tolist() for part in some] == [full[0][[5, 0, 5]].tolist(), [], full[2][[1]].tolist(), full[3][[0]].tolist()]


def test_shrinkage_by_hand():
    group = group_of(("1 2", "1", "5"), (0.0, 1.0, 0.0))
    values = get_estimator("numca-loo", kappa=1.0).values(group, [[0, 1, 3], [], []])[0]
    # Root: mean of the others, 1/2. {1}: one other, reward 1, and the root for one more. {1, 2}: no other, so {1} decides.
    assert values.tolist() == [0.5, 0.75, 0.75]


def test_no_shrinkage_equals_the_leave_one_out_variant():
    group = group_of(COMPLETIONS, REWARDS)
    expected = numca_values(COMPLETIONS, REWARDS, variant="leave_one_out")
    values = get_estimator("numca-loo", kappa=0.0).values(group, [[offset for offset, _ in states] for states in expected])
    assert [part.tolist() for part in values] == [torch.tensor([value for _, value in states]).tolist() for states in expected]


def test_values_do_not_depend_on_the_order_of_rollouts():
    rewards = (0.1, 0.2, 0.7, 0.4)
    for variant in ("paper", "leave_one_out", "released"):
        forwards = numca_values(COMPLETIONS, rewards, variant=variant)
        assert numca_values(COMPLETIONS[::-1], rewards[::-1], variant=variant) == forwards[::-1]


@pytest.mark.parametrize("variant", ["paper", "leave_one_out", "released"])
def test_bad_input_is_named(variant):
    with pytest.raises(ValueError, match="completions: the group is empty"):
        numca_values([], [], variant=variant)
    with pytest.raises(ValueError, match="rewards_G has 1 entries for 2 completions"):
        numca_values(["1", "2"], [1.0], variant=variant)
    with pytest.raises(ValueError, match=r"rewards_G holds a value that is not finite: .*nan"):
        numca_values(["1", "2"], [1.0, float("nan")], variant=variant)


def test_one_rollout_cannot_be_left_out_of_one():
    with pytest.raises(ValueError, match=r"rewards_G holds 1 reward"):
        numca_values(["1"], [1.0], variant="leave_one_out")
    with pytest.raises(ValueError, match=r"rewards_G holds 1 reward"):
        get_estimator("numca-loo").values(group_of(["1"], [1.0]), [[0]])
    assert numca_values(["1"], [1.0]) == [[(0, 1.0), (1, 1.0)]]


def test_unknown_variants_and_negative_kappa_are_refused():
    with pytest.raises(ValueError, match=r"variant must be .* not 'published'"):
        numca_values(["1"], [1.0], variant="published")
    with pytest.raises(ValueError, match=r"kappa must be .* not -1"):
        get_estimator("numca-loo", kappa=-1.0)
