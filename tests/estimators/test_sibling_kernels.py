"""The last-token neighbours and the rollout kernel by their formulas."""

from math import inf

import pytest
import torch
from synthetic_groups import every_position, random_group
from test_distances import by_definition

from hista_repro.estimators import get_estimator, smooth
from hista_repro.estimators.rollout_kernel_loo import softmax_weights


def others_mean(group, i):
    return float(group.rewards_G[[j for j in range(group.size) if j != i]].mean())


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_last_token_neighbours(alpha):
    group = random_group(0)
    hidden = [smooth(part, alpha, 1) for part in group.hidden().completions]
    estimator = get_estimator("last-token-knn-loo", alpha=alpha, spacing=4, neighbours=7)
    for i, values in enumerate(estimator.values(group, every_position(group))):
        assert values[0].item() == pytest.approx(others_mean(group, i))
        for t in range(1, group.length(i) + 1):
            nodes = [(j, node) for j in range(group.size) if j != i for node in range(4, group.length(j) + 1, 4)]
            distances = torch.stack([(hidden[i][t - 1] - hidden[j][node - 1]).norm() for j, node in nodes])
            nearest = distances.topk(7, largest=False)
            rewards = group.rewards_G[[nodes[m][0] for m in nearest.indices]]
            assert values[t].item() == pytest.approx(float((rewards / nearest.values).sum() / (1 / nearest.values).sum()), abs=1e-4)


def test_last_token_spacing_is_that_of_the_nodes():
    assert get_estimator("last-token-knn-loo").for_length(1000).spacing == 50
    assert get_estimator("last-token-knn-loo").for_length(100).spacing == 5


def test_rollout_kernel():
    group = random_group(0)
    rows = [smooth(part, 0.7, 2) for part in group.hidden().completions]
    estimator = get_estimator("rollout-kernel-loo", interval=2, stride=3, temperature=0.8)
    for i, values in enumerate(estimator.values(group, every_position(group))):
        others = [j for j in range(group.size) if j != i]
        for t, value in enumerate(values.tolist()):
            state = rows[i][: t // 2]
            if not len(state):
                assert value == pytest.approx(others_mean(group, i))
                continue
            nearest = [min(float(by_definition(state, rows[j][:end])) for end in range(3, len(rows[j]) + 1, 3)) for j in others]
            distances = torch.tensor(nearest, dtype=torch.float64)
            weights = torch.softmax(-distances / (0.8 * distances.std(correction=0)), dim=0)
            assert value == pytest.approx(float(weights @ group.rewards_G[others].double()), abs=1e-4)


def test_softmax_weights():
    weights = softmax_weights(torch.tensor([[1.0, 3.0, inf], [2.0, 2.0, 2.0], [inf, inf, inf], [5.0, inf, inf]]), 0.5)
    assert weights[0].tolist() == pytest.approx([1.0, torch.tensor(-2 / (0.5 * 1.0)).exp().item(), 0.0])
    assert weights[1:].tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_rollouts_equally_far_but_for_rounding_weigh_the_same():
    assert softmax_weights(torch.tensor([[100.0, 100.00001, 100.00002]]), 0.5).tolist() == [[1.0, 1.0, 1.0]]
