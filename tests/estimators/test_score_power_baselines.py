"""Baselines that weigh rollouts by how far they can move the policy: by hand, and against the least that they are made for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest import approx
from synthetic_groups import every_position, make_group, random_group

from hista_repro.estimators import get_estimator


def group_of(powers, rewards):
    group = make_group([(0,) * len(row) for row in powers], rewards)
    return replace(group, score_powers_of=lambda: tuple(torch.tensor(row) for row in powers))


def values_of(name, group, **settings):
    estimator = get_estimator(name, **settings)
    return [values.tolist() for values in estimator.values(group, every_position(group))]


@pytest.fixture
def three():
    """Of three and two tokens and of one, of which the first is wrong."""
    return group_of([[1.0, 0.0, 2.0], [0.5, 0.5], [0.25]], [0.0, 1.0, 1.0])


def test_rollouts_count_by_the_power_of_their_tokens_so_far(three):
    """The sums of power are 1, 1, 3, 3 and 0.5, 1, 1 and 0.25, 0.25: with the token that the state is followed by, where there is one."""
    expected = [0.75 / 1.75, 1.25 / 2.25, 1 / 4, 0]
    assert [values == approx(expected[: len(values)]) for values in values_of("otb", three)] == [True] * 3


def test_without_the_rollout_itself_those_of_the_others_count(three):
    first, second, third = values_of("otb-loo", three)
    assert first == approx([1, 1, 1, 1]), "where no other is so long, the mean of the others"
    assert second == approx([0.25 / 1.25, 0.25 / 1.25, 0]) and third == approx([0.5 / 1.5, 1 / 2])


def test_where_nothing_can_move_the_policy_all_count_alike():
    group = group_of([[0.0, 0.0], [0.0], []], [1.0, 0.0, 0.0])
    assert values_of("otb", group) == [[approx(1 / 3)] * 3, [approx(1 / 3)] * 2, [approx(1 / 3)]]
    assert values_of("otb-loo", group) == [[0.0] * 3, [0.5] * 2, [0.5]]


def test_the_share_leaves_the_least_noise_in_score_powers():
    """No other share of the means of the others makes the sum of power times squared advantage smaller."""
    groups = [random_group(seed) for seed in range(20)]
    fitted = get_estimator("loo-share").fit(groups)

    def noise(share):
        total = 0.0
        for group in groups:
            values = replace(fitted, share=share).values(group, [[0]] * group.size)
            advantages_G = group.rewards_G - torch.cat(values)
            total += float((torch.stack([powers_T.sum() for powers_T in group.score_powers()]) * advantages_G**2).sum())
        return total

    assert 0 < fitted.share < 1
    assert noise(fitted.share) == approx(min(noise(share) for share in np.linspace(0, 1, 1001)), rel=1e-5)


def test_the_share_is_small_where_mistakes_have_the_power():
    """Right answers, three of four, have a hundredth of a mistake's power: 3 of them with others that are worth 2/3, and one with 1."""
    groups = [group_of([[0.01], [0.01], [0.01], [1.0]], [1.0, 1.0, 1.0, 0.0])] * 2
    fitted = get_estimator("loo-share").fit(groups)
    assert fitted.share == approx(0.03 * (2 / 3) / (0.03 * (2 / 3) ** 2 + 1))
    means = torch.tensor([2 / 3, 2 / 3, 2 / 3, 1.0])
    assert torch.cat(fitted.values(groups[0], [[0]] * 4)).tolist() == approx((fitted.share * means).tolist())


def test_a_share_of_nothing_is_all_of_it():
    unrewarded = [group_of([[1.0], [1.0]], [0.0, 0.0])] * 2
    assert get_estimator("loo-share").fit(unrewarded).share == 1


def test_what_is_missing_is_said(three):
    with pytest.raises(ValueError, match="carries no score powers"):
        values_of("otb", replace(three, score_powers_of=None))
    with pytest.raises(ValueError, match="loo-share is not fitted"):
        values_of("loo-share", three)
    with pytest.raises(ValueError, match="at least one other"):
        values_of("otb-loo", group_of([[1.0]], [1.0]))
