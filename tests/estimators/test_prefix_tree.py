"""The prefix tree: values by hand, against a search through all rollouts, and what its leave-one-out form rests on."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from synthetic_groups import every_position

from hista_repro.estimators import get_estimator
from hista_repro.estimators.prefix_tree import shared_by
from hista_repro.rollouts.group import RolloutGroup

ROLLOUTS = st.lists(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=6), min_size=2, max_size=6)


def group_of(rollouts, rewards):
    """A group from the texts of its tokens."""
    ends = [[len("".join(tokens[: t + 1])) for t in range(len(tokens))] for tokens in rollouts]
    completions = tuple("".join(tokens) for tokens in rollouts)
    return RolloutGroup("asked", completions, tuple(ends), torch.tensor(rewards))


def values_of(name, group, **settings):
    return [values.tolist() for values in get_estimator(name, **settings).values(group, every_position(group))]


@pytest.fixture
def four():
    """1+2=3, 1+2=4, 1+1=2, 2: rewarded 1, 0, 1, 0."""
    return group_of([list("1+2=3"), list("1+2=4"), list("1+1=2"), list("2")], [1.0, 0.0, 1.0, 0.0])


def test_a_node_is_worth_the_mean_of_the_rollouts_that_pass_through_it(four):
    values = values_of("prefix-tree", four)
    assert values[0] == approx([1 / 2, 2 / 3, 2 / 3, 1 / 2, 1 / 2, 1])
    assert values[3] == approx([1 / 2, 0])


def test_without_the_rollout_itself_each_branching_shrinks_towards_the_value_before(four):
    others, after_1 = 1 / 3, (1 + 1 / 3) / 3  # of two others that begin with 1, one is right
    after_2 = after_1 / 2  # of those the one that goes on with +2 is wrong; one rollout, and one for the value before
    values = values_of("prefix-tree-loo", four)
    assert values[0] == approx([others, after_1, after_1, after_2, after_2, after_2])
    assert values[3] == approx([2 / 3, 2 / 3])


def test_how_many_others_begin_with_the_text_of_a_state(four):
    assert shared_by(four, every_position(four)) == [[3, 2, 2, 1, 1, 0], [3, 2, 2, 1, 1, 0], [3, 2, 2, 0, 0, 0], [3, 0]]


def test_the_same_text_in_other_tokens_is_another_state():
    group = group_of([["ab", "a"], ["a", "b", "a"]], [1.0, 0.0])
    assert shared_by(group, every_position(group)) == [[1, 0, 0], [1, 0, 0, 0]]


@given(ROLLOUTS, st.randoms(use_true_random=False))
def test_both_forms_are_what_a_search_through_all_rollouts_finds(rollouts, random):
    rewards = [float(random.random() < 0.5) for _ in rollouts]
    group = group_of(rollouts, rewards)
    whole, plain = values_of("prefix-tree", group), values_of("prefix-tree-loo", group, kappa=0.0)
    for i, tokens in enumerate(rollouts):
        last = None
        for t in range(len(tokens) + 1):
            passing = [j for j, other in enumerate(rollouts) if other[:t] == tokens[:t]]
            assert whole[i][t] == approx(sum(rewards[j] for j in passing) / len(passing))
            others = [rewards[j] for j in passing if j != i]
            last = sum(others) / len(others) if others else last
            assert plain[i][t] == approx(last)


@pytest.mark.parametrize("kappa", [-1.0, float("nan"), float("inf")])
def test_kappa_is_a_number_of_rollouts(kappa):
    with pytest.raises(ValueError, match="kappa must be a number of rollouts"):
        get_estimator("prefix-tree-loo", kappa=kappa)


def test_a_rollout_alone_has_no_others():
    with pytest.raises(ValueError, match="rollout"):
        values_of("prefix-tree-loo", group_of([["a"]], [1.0]))
