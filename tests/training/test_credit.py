"""Advantages from values: hand-worked cases, a loop that follows the definitions, and the gradient of a two-step problem."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.training.credit import node_positions, reward_scales, token_advantages


def test_every_action_has_the_advantage_of_the_node_before_it():
    values = [torch.tensor([0.5, 0.25, 1.0])]
    assert node_positions([5], 2) == [range(0, 5, 2)]
    (advantages_A,) = token_advantages(values, torch.tensor([1.0]), [5], spacing=2)
    assert advantages_A.tolist() == [0.5, 0.5, 0.75, 0.75, 0.0]
    (advantages_A,) = token_advantages(values, torch.tensor([1.0]), [5], spacing=2, lam=0.0)
    assert advantages_A.tolist() == [-0.25, -0.25, 0.75, 0.75, 0.0]


def test_a_completion_of_one_token_has_one_advantage():
    advantages = token_advantages([torch.tensor([0.25]), torch.tensor([0.5, 0.5])], torch.tensor([0.0, 1.0]), [1, 60], spacing=50)
    assert [len(a) for a in advantages] == [1, 60]
    assert advantages[0].tolist() == [-0.25]


def by_definition(values: list[float], reward: float, actions: int, spacing: int, lam: float) -> list[float]:
    following = [*values[1:], reward]
    deltas = [after - before for before, after in zip(values, following, strict=True)]
    nodes = [sum(lam**k * delta for k, delta in enumerate(deltas[node:])) for node in range(len(values))]
    return [nodes[action // spacing] for action in range(actions)]


@given(st.data())
def test_advantages_are_those_of_the_definition(data):
    spacing, lam = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([0.0, 0.5, 0.95, 1.0]))
    actions = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    unit = st.floats(0, 1, width=32)
    rewards = data.draw(st.lists(unit, min_size=len(actions), max_size=len(actions)))
    values = [data.draw(st.lists(unit, min_size=len(n), max_size=len(n))) for n in node_positions(actions, spacing)]
    found = token_advantages([torch.tensor(v) for v in values], torch.tensor(rewards), actions, spacing=spacing, lam=lam)
    for advantages_A, v, reward, count in zip(found, values, rewards, actions, strict=True):
        assert advantages_A.tolist() == pytest.approx(by_definition(v, reward, count, spacing, lam), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([torch.zeros(1)], torch.zeros(1), [3], 2), "values has"),
        (([torch.zeros(2)], torch.zeros(2), [3], 2), "rewards_G has shape"),
        (([torch.zeros(0)], torch.zeros(1), [0], 2), r"actions\[0\] is 0"),
        (([torch.zeros(1)], torch.zeros(1), [3], 0), "spacing must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    values, rewards_G, actions, spacing = arguments
    with pytest.raises(ValueError, match=message):
        token_advantages(values, rewards_G, actions, spacing=spacing)


def test_scales_are_standard_deviations():
    rewards_P_G = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert reward_scales(rewards_P_G, "none").tolist() == [[1.0] * 3] * 2
    group = reward_scales(rewards_P_G, "group")
    assert group[0].tolist() == pytest.approx([(1 / 3) ** 0.5 + 1e-4] * 3)
    assert group[1].tolist() == [1.0] * 3
    assert reward_scales(rewards_P_G, "batch")[0, 0].item() == pytest.approx(rewards_P_G.std().item() + 1e-4)


def test_the_own_reward_does_not_decide_the_leave_one_out_scale():
    rewards_P_G = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    flipped_P_G = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    assert reward_scales(rewards_P_G, "loo")[0, 0] == reward_scales(flipped_P_G, "loo")[0, 0]
    assert reward_scales(torch.tensor([[1.0, 0.0, 0.0]]), "loo")[0, 0] == 1  # the others are equal and tell no scale


@pytest.mark.parametrize("scale", ["group", "batch", "loo"])
def test_equal_rewards_tell_no_scale(scale):
    """A value that differs from them (of a probe, of fresh continuations) leaves an advantage of its own size."""
    assert reward_scales(torch.full((1, 4), 0.3), scale).tolist() == [[1.0] * 4]


def test_scales_that_are_not_defined_are_refused():
    with pytest.raises(Refused, match="at least 3 rollouts, not 2"):
        reward_scales(torch.zeros(1, 2), "loo")
    with pytest.raises(Refused, match="must be one of none, group"):
        reward_scales(torch.zeros(1, 2), "std")


FIRST, SECOND = torch.tensor(0.3), torch.tensor([-0.4, 0.9])
"""Logits of the action 1 in the two-step problem: at the start, and after each first action."""
REWARD = {(0, 0): 0.0, (0, 1): 1.0, (1, 0): 1.0, (1, 1): 0.0}


def log_probs(logits: torch.Tensor, actions: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    signs = [1 if action else -1 for action in actions]
    return torch.nn.functional.logsigmoid(signs[0] * logits[0]), torch.nn.functional.logsigmoid(signs[1] * logits[1 + actions[0]])


def group_of(rollouts: tuple[tuple[int, int], ...]) -> RolloutGroup:
    """Two-digit completions; a hidden state is what was read so far."""
    hidden = [torch.tensor([[1.0, a, 0.0], [1.0, a, 5.0 * b + a]]) for a, b in rollouts]
    return RolloutGroup(
        prompt_id="two steps",
        completions=tuple(f"{a} {b}"[:3] for a, b in rollouts),
        token_ends=((1, 3),) * len(rollouts),
        rewards_G=torch.tensor([REWARD[rollout] for rollout in rollouts]),
        hidden_of=lambda layer: HiddenStates(torch.ones(1, 3), tuple(hidden)),
    )


def expected_gradient(estimator, lam: float = 1.0, size: int = 3) -> torch.Tensor:
    """The exact mean, over all groups of `size` rollouts, of the policy gradient that one rollout contributes."""
    logits = torch.stack([FIRST, *SECOND]).requires_grad_()
    total = torch.zeros(3)
    for rollouts in product(REWARD, repeat=size):
        probability = sum(sum(log_probs(logits, r)) for r in rollouts).exp().item()
        group = group_of(rollouts)
        values = estimator.values(group, node_positions([2] * size, 1))
        advantages = token_advantages(values, group.rewards_G, [2] * size, spacing=1, lam=lam)
        surrogate = sum(a * lp for a, lp in zip(advantages[0], log_probs(logits, rollouts[0]), strict=True))
        total += probability * torch.autograd.grad(surrogate, logits)[0]
    return total


def true_gradient() -> torch.Tensor:
    logits = torch.stack([FIRST, *SECOND]).requires_grad_()
    reward = sum(value * sum(log_probs(logits, rollout)).exp() for rollout, value in REWARD.items())
    return torch.autograd.grad(reward, logits)[0]


@pytest.mark.parametrize("name", ["loo-mean", "numca-loo", "hista-loo", "last-token-knn-loo", "rollout-kernel-loo"])
def test_unbiased_estimators_give_the_true_gradient(name):
    torch.testing.assert_close(expected_gradient(get_estimator(name).for_length(20)), true_gradient(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["ramp", "hista", "numca"])
def test_estimators_of_the_own_return_do_not(name):
    found, true = expected_gradient(get_estimator(name).for_length(20)), true_gradient()
    assert torch.cosine_similarity(found, true, dim=0) < 0.999
