"""The controls of Hista: what each keeps of Hista, and what it takes away."""

import pytest
import torch
from synthetic_groups import every_position, make_group, random_group, random_tokens
from test_hista import group_of

from hista_repro.estimators import get_estimator
from hista_repro.estimators.hista_corresponding import corresponding_distances


def test_position_by_hand():
    group = make_group([[0] * 3, [0] * 2], [1.0, 0.0])
    estimator = get_estimator("hista-position", interval=1, stride=1)
    # State (0, 2) has 2 rows. Nodes: its own of 1 and 3 rows at 1 + 1, the other's of 1 and 2 rows at 1 + 1 and 1.
    assert estimator.values(group, [[2], [0]])[0].item() == pytest.approx((1 / 2 + 1 / 2) / (1 / 2 + 1 / 2 + 1 / 2 + 1))
    assert estimator.values(group, [[2], [0]])[1].item() == 0.5, "without a row, the group mean"


def test_position_reads_no_hidden_states():
    tokens, rewards = random_tokens(0), [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    group = make_group([[0] * len(rollout) for rollout in tokens], rewards)
    estimator = get_estimator("hista-position").for_length(35)
    expected = estimator.values(make_group(tokens, rewards), every_position(group))
    assert all(torch.equal(*pair) for pair in zip(estimator.values(group, every_position(group)), expected, strict=True))
    assert not estimator.reads_hidden


def test_permutation_keeps_a_rollouts_own_reward_and_moves_the_others():
    group = random_group(1, size=8)
    estimator = get_estimator("hista-permuted").for_length(35)
    nodes = [[1]] * group.size
    rewards_Q_M = estimator.node_rewards(group, nodes, nodes)
    assert torch.equal(rewards_Q_M.diagonal(), group.rewards_G)
    assert torch.equal(rewards_Q_M.sort(dim=1).values, group.rewards_G.sort().values.expand(8, 8))
    assert len(rewards_Q_M.unique(dim=0)) > 2, "a different order for every rollout"


def test_permutation_depends_on_the_seed_and_the_prompt_only():
    group = random_group(1, size=8)
    values, again, other = (
        torch.cat(get_estimator("hista-permuted", seed=seed, interval=1, stride=3, neighbours=9).values(group, every_position(group)))
        for seed in (0, 0, 1)
    )
    assert torch.equal(values, again)
    assert not torch.equal(values, other)


def test_cosine_does_not_see_lengths_of_vectors():
    generator = torch.Generator().manual_seed(0)
    hidden = [torch.randn(20, 5, generator=generator) for _ in range(3)]
    longer = [part * (1 + torch.rand(20, 1, generator=generator)) for part in hidden]
    rewards_G = torch.tensor([1.0, 0.0, 0.0])
    settings = {"alpha": 0.0, "interval": 1, "stride": 4, "neighbours": 6}
    for name, sees in (("hista-cosine", False), ("hista", True)):
        values = [torch.cat(get_estimator(name, **settings).values(group_of(part, rewards_G), [[4, 9]] * 3)) for part in (hidden, longer)]
        assert torch.allclose(*values, atol=1e-5) is not sees


def test_corresponding_by_its_definition():
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(length, 4, generator=generator) for length in (12, 7, 0, 9)]
    queries, nodes = [[3, 12, 0], [7], [0], []], [[4, 8, 12], [4], [], [4, 8]]

    def distance(x_R_D, y_R_D):
        positions = range(max(len(x_R_D), len(y_R_D)))
        return sum(float((x_R_D[min(t, len(x_R_D) - 1)] - y_R_D[min(t, len(y_R_D) - 1)]).norm()) for t in positions)

    measured = iter(corresponding_distances(rows, queries, nodes))
    for i, a in ((i, a) for i, ends in enumerate(queries) for a in ends):
        expected = [distance(rows[i][:a], rows[j][:b]) if a else torch.inf for j, ends in enumerate(nodes) for b in ends]
        assert next(measured).tolist() == pytest.approx(expected, rel=1e-5), (i, a)


def test_corresponding_without_a_node_or_a_query():
    rows = [torch.ones(3, 2), torch.ones(2, 2)]
    assert corresponding_distances(rows, [[3], []], [[], []]).shape == (1, 0)
    assert corresponding_distances(rows, [[0], [0]], [[2], [2]]).tolist() == [[torch.inf] * 2] * 2


@pytest.mark.parametrize("name", ["hista-permuted", "hista-position", "hista-cosine", "hista-corresponding"])
def test_controls_carry_the_leak_of_hista(name):
    estimator = get_estimator(name).for_length(35)
    assert estimator.information == "own-return"
    group = random_group(0)
    assert torch.cat(estimator.values(group, every_position(group))).isfinite().all()
