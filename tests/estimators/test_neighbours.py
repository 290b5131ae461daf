"""Weighted means of nearest neighbours: by hand, and whatever the order of the nodes."""

from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hista_repro.estimators import neighbours
from hista_repro.estimators.neighbours import nearest_average


def value(distances, rewards, k, fallback=0.25):
    return nearest_average(torch.tensor([distances]), torch.tensor(rewards), k, torch.tensor([fallback]))[0].item()


def test_inverse_distances_of_the_nearest():
    assert value([1.0, 2.0, 4.0], [1.0, 0.0, 1.0], 2) == pytest.approx(1 / (1 + 1 / 2))
    assert value([4.0, 2.0, 1.0], [1.0, 0.0, 1.0], 3) == pytest.approx((1 / 4 + 1) / (1 / 4 + 1 / 2 + 1))


def test_more_places_than_nodes():
    assert value([1.0, 2.0], [1.0, 0.0], 66) == pytest.approx(2 / 3)


def test_nodes_at_distance_zero_share_all_the_weight():
    assert value([0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], 66) == pytest.approx(1 / 3)
    assert value([0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], 1) == pytest.approx(1 / 3)


def test_nodes_that_tie_for_the_last_place_share_it():
    assert value([1.0, 2.0, 2.0, 3.0], [0.0, 1.0, 0.0, 1.0], 2) == pytest.approx((1 / 4) / (1 + 1 / 2))


def test_infinitely_far_nodes_are_no_candidates():
    assert value([inf, 2.0, inf], [1.0, 0.0, 1.0], 3) == 0
    assert value([inf, inf], [1.0, 1.0], 3) == 0.25
    assert nearest_average(torch.zeros(2, 0), torch.zeros(0), 5, torch.tensor([0.5, 1.0])).tolist() == [0.5, 1.0]


def test_every_query_may_have_its_own_k_and_rewards():
    distances_Q_M = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    rewards_Q_M = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    values = nearest_average(distances_Q_M, rewards_Q_M, torch.tensor([1, 3]), torch.zeros(2))
    assert values.tolist() == pytest.approx([1.0, (1 / 3) / (1 + 1 / 2 + 1 / 3)])


DISTANCES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e-30, 1e30, inf]), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(distances=DISTANCES, k=st.integers(1, 14), data=st.data())
def test_the_order_of_the_nodes_does_not_matter(distances, k, data):
    rewards = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=len(distances), max_size=len(distances)))
    order = data.draw(st.permutations(range(len(distances))))
    shuffled = value([distances[m] for m in order], [rewards[m] for m in order], k)
    assert shuffled == pytest.approx(value(distances, rewards, k), abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(distances=DISTANCES, k=st.integers(1, 14), reward=st.floats(-1e3, 1e3, width=32))
def test_equal_rewards_give_exactly_that_reward(distances, k, reward):
    assert value(distances, [reward] * len(distances), k, fallback=reward) == reward


@settings(max_examples=100, deadline=None)
@given(nodes=st.integers(1, 30), k=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_distinct_distances_as_sorted(nodes, k, seed):
    generator = torch.Generator().manual_seed(seed)
    distances_Q_M = torch.rand(3, nodes, generator=generator, dtype=torch.float64) + 0.1
    rewards_M = torch.rand(nodes, generator=generator, dtype=torch.float64)
    nearest = distances_Q_M.sort(dim=1)
    weights = 1 / nearest.values[:, :k]
    expected = (weights * rewards_M[nearest.indices[:, :k]]).sum(dim=1) / weights.sum(dim=1)
    values = nearest_average(distances_Q_M.float(), rewards_M.float(), k, torch.zeros(3))
    torch.testing.assert_close(values, expected.float(), rtol=1e-5, atol=1e-6)


def test_many_queries_are_worked_off_in_parts(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    arguments = torch.rand(50, 20, generator=generator), torch.rand(20, generator=generator), 5, torch.zeros(50)
    expected = nearest_average(*arguments)
    monkeypatch.setattr(neighbours, "_ENTRIES_AT_ONCE", 61)
    assert torch.equal(nearest_average(*arguments), expected)
