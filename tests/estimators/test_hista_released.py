"""The released form against the facts known of it, and against its algorithm step by step."""

from math import inf

import pytest
import torch
from synthetic_groups import every_position, random_group

from hista_repro.estimators import get_estimator, hista_values
from hista_repro.estimators.hista_released import neighbour_schedule, released_advantages, released_nodes, released_rows


def step_by_step(hidden, rewards_G, prompt_length, of_inner_nodes_only=True, spacing=50, interval=5):
    """Values of nodes with a loop for everything; of inner nodes by neighbours as in training, or of all as in SVEB."""
    rows, nodes = [], []
    for sequence in hidden:
        average, smoothed = sequence[0].double(), []
        for token, row in enumerate(sequence.double()):
            average = 0.7 * average + 0.3 * row if token else average
            smoothed.append(average / (1 - 0.7 ** (token + 1)))
        rows.append(torch.stack(smoothed[::interval]))
        nodes.append([token // interval + 1 for token in released_nodes(len(sequence), prompt_length, spacing)])
    values = []
    for i, lengths in enumerate(nodes):
        asked = lengths[1:-1] if of_inner_nodes_only else lengths
        of_rollout = []
        for number, a in enumerate(asked):
            neighbours = []
            for j, others in enumerate(nodes):
                for b in others:
                    between = torch.cdist(rows[i][:a], rows[j][:b])
                    mean = between.amin(dim=1).sum() / a if a >= b else between.amin(dim=0).sum() / b
                    neighbours.append((inf if j == i and b > a else max(float(mean), 5.0), float(rewards_G[j])))
            nearest = sorted(neighbours)[: 66 - number * (60 // len(asked))]
            of_rollout.append(sum(reward / distance for distance, reward in nearest) / sum(1 / distance for distance, _ in nearest))
        values.append([float(rewards_G.mean()), *of_rollout, float(rewards_G[i])] if of_inner_nodes_only else of_rollout)
    return values


def rollouts(lengths=(230, 180, 131, 300), prompt=23, depth=24):
    """Sequences with one prompt, with distances between unequal nodes well above 5 and no two alike."""
    generator = torch.Generator().manual_seed(0)
    prompt_T_D = 20 * torch.randn(prompt, depth, generator=generator)
    return [torch.cat([prompt_T_D, 20 * torch.randn(length, depth, generator=generator)]) for length in lengths]


REWARDS_G = torch.tensor([1.0, 0.0, 0.25, 0.5])


def test_where_the_nodes_are():
    tokens = released_nodes(128 + 203, 128)
    assert tokens == [128, 150, 200, 250, 300, 330]
    assert [token // 5 for token in tokens] == [25, 30, 40, 50, 60, 66]
    assert len(released_rows(torch.zeros(128 + 203, 1), 0.7, 5)) == 67
    assert released_nodes(1, 0) == [0]
    assert released_nodes(101, 100) == [100]


def test_the_moving_average_is_corrected_twice():
    rows = released_rows(torch.ones(6, 1), 0.7, 1)
    assert rows[:4, 0].tolist() == pytest.approx([3.3333, 1.9608, 1.5221, 1.3160], abs=1e-4)


@pytest.mark.parametrize(
    ("nodes", "first", "last"), [(1, 66, 66), (5, 66, 18), (10, 66, 12), (20, 66, 9), (30, 66, 8), (31, 66, 36), (60, 66, 7), (61, 66, 66)]
)
def test_neighbours_fall_along_the_rollout(nodes, first, last):
    schedule = neighbour_schedule(nodes)
    assert (len(schedule), schedule[0], schedule[-1]) == (nodes, first, last)
    assert neighbour_schedule(0) == []


def test_training_values_step_by_step():
    hidden = rollouts()
    values = hista_values(hidden, REWARDS_G, variant="released", prompt_length=23)
    for measured, expected in zip(values, step_by_step(hidden, REWARDS_G, 23), strict=True):
        assert measured.tolist() == pytest.approx(expected, abs=1e-5)


def test_sveb_values_are_those_of_the_last_node_before_the_last_token():
    group = random_group(0)
    hidden = group.hidden()
    estimator = get_estimator("hista-released", interval=1, stride=4)
    sequences = [torch.cat([hidden.prompt_T_D, completion]) for completion in hidden.completions]
    of_nodes = step_by_step(sequences, group.rewards_G, len(hidden.prompt_T_D), of_inner_nodes_only=False, spacing=4, interval=1)
    prompt = len(hidden.prompt_T_D)
    values = estimator.values(group, every_position(group))
    for i, sequence in enumerate(sequences):
        nodes = released_nodes(len(sequence), prompt, 4)
        for t, value in enumerate(values[i].tolist()):
            before = [number for number, token in enumerate(nodes) if token < prompt + t - 1]
            expected = of_nodes[i][before[-1]] if before else float(group.rewards_G.mean())
            assert value == pytest.approx(expected, abs=1e-5), (i, t)


def test_advantages_hold_from_node_to_node_and_the_last_token_has_none():
    hidden = rollouts()
    values = hista_values(hidden, REWARDS_G, variant="released", prompt_length=23)
    advantages = released_advantages(hidden, REWARDS_G, values, prompt_length=23)
    assert [len(part) for part in advantages] == [230, 180, 131, 300]
    assert all(part[-1] == 0 for part in advantages)
    assert advantages[0][:27].unique().tolist() == pytest.approx([1 - 0.4375]), "up to the first grid token, 50, against the group mean"
    assert advantages[0][27] == REWARDS_G[0] - values[0][1]


def test_equal_rewards_give_no_advantage_at_all():
    hidden, rewards_G = rollouts(), torch.full((4,), 0.3)
    values = hista_values(hidden, rewards_G, variant="released", prompt_length=23)
    assert not torch.cat(released_advantages(hidden, rewards_G, values, prompt_length=23)).any()


def test_single_tokens_and_short_rollouts():
    hidden = [torch.randn(24, 3), torch.randn(70, 3)]
    values = hista_values(hidden, [1.0, 0.0], variant="released", prompt_length=23)
    assert values[0].tolist() == [0.5, 1.0]
    assert released_advantages(hidden, torch.tensor([1.0, 0.0]), values, prompt_length=23)[0].tolist() == [0.0]
    with pytest.raises(ValueError, match=r"hidden\[0\] has 24 rows, none of them after prompt_length=24"):
        hista_values(hidden, [1.0, 0.0], variant="released", prompt_length=24)
    with pytest.raises(ValueError, match="prompt_length must be at least 0, not -1"):
        hista_values(hidden, [1.0, 0.0], variant="released", prompt_length=-1)


@pytest.mark.parametrize(("prompt", "checksum"), [(0, 177.151415), (128, 2418.605407)])
def test_token_advantages_add_up_to_those_of_the_released_code(prompt, checksum):
    """The sums that the released code gives in float32 for these inputs, with the settings of its recipes.

    With the prompt, 42 of the nodes that compete for the last places of the second inner node are at exactly the same distance, and
    which of them the released code takes is up to `torch.topk`.
    """
    torch.manual_seed(0)
    hidden_G_T_D = torch.randn(32, 1024, 896)
    if prompt:
        hidden_G_T_D = torch.cat([torch.randn(1, prompt, 896).expand(32, -1, -1), hidden_G_T_D], dim=1)
    rewards_G = (torch.rand(32) < 0.4).float()
    values = hista_values(list(hidden_G_T_D), rewards_G, variant="released", prompt_length=prompt)
    advantages = released_advantages(hidden_G_T_D, rewards_G, values, prompt_length=prompt)
    assert torch.cat(advantages).double().sum().item() == pytest.approx(checksum, rel=1e-3)
