"""The estimators that give every state of a rollout one value."""

import pytest
import torch
from synthetic_groups import every_position, make_group, random_tokens

from hista_repro.estimators import get_estimator
from hista_repro.estimators.loo_mean import means_of_others

REWARDS = [1.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("group-mean", [0.375] * 4), ("loo-mean", [0.5 / 3, 0.5, 0.5, 1 / 3]), ("own-return", REWARDS), ("zero", [0.0] * 4)],
)
def test_values_by_hand(name, expected):
    group = make_group(random_tokens(0, 4), REWARDS)
    values = get_estimator(name).values(group, every_position(group))
    for i, part in enumerate(values):
        assert part.tolist() == pytest.approx([expected[i]] * (group.length(i) + 1))


def test_means_of_others_have_no_trace_of_the_own_reward():
    rewards = torch.rand(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = rewards.clone()
    changed[4] = 1e9
    assert means_of_others(changed)[4] == means_of_others(rewards)[4]
    assert means_of_others(rewards)[4] == pytest.approx(float(rewards[torch.arange(9) != 4].mean()))


def test_a_group_of_one_has_a_mean_and_no_others():
    group = make_group([(0, 1)], [1.0])
    assert get_estimator("group-mean").values(group, [[0, 2]])[0].tolist() == [1.0, 1.0]
    for name in ("loo-mean", "ramp"):
        with pytest.raises(ValueError, match="rewards_G holds 1 reward"):
            get_estimator(name).values(group, [[0]])


@pytest.mark.parametrize("name", ["group-mean", "loo-mean", "own-return", "ramp", "numca", "numca-loo", "numca-released", "mcs-1", "zero"])
def test_positions_are_checked(name):
    group = make_group([(0, 1), (2,)], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"positions\[1\] holds 2, which is outside 0..1"):
        get_estimator(name).values(group, [[0], [2]])
    with pytest.raises(ValueError, match="positions has 1 entries for 2 completions"):
        get_estimator(name).values(group, [[0]])
