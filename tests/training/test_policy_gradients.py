"""Gradients of a group of rollouts: against autograd on each rollout alone."""

import pytest
import torch

from hista_repro.models import load_model
from hista_repro.training.gradient_variance import score_powers
from hista_repro.training.policy_gradients import GroupGradients

PROMPT, COMPLETIONS = [3, 4, 5], [[6, 7, 8, 9], [10], [7, 7]]


@pytest.fixture(scope="module")
def model(random_model):
    return load_model(str(random_model))[0]


def logits_of(model, completion, temperature):
    return model(input_ids=torch.tensor([[*PROMPT, *completion]])).logits[0, len(PROMPT) - 1 : -1] / temperature


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_gradients_are_those_of_each_rollout_alone(model, temperature):
    advantages = [
        [torch.tensor([1.0, -2, 0.5, 3]), torch.tensor([0.5]), torch.tensor([-1.0, 2])],
        [torch.zeros(4), torch.zeros(1), torch.zeros(2)],
        [torch.ones(4), torch.tensor([-1.0]), torch.ones(2)],
    ]
    found = list(GroupGradients(model, PROMPT, COMPLETIONS, temperature=temperature).of(advantages))
    assert not found[1].any() and found[1].shape == found[0].shape
    for gradient_W, given in ((found[0], advantages[0]), (found[2], advantages[2])):
        model.zero_grad()
        for completion, advantages_A in zip(COMPLETIONS, given, strict=True):
            chosen_A = logits_of(model, completion, temperature).log_softmax(-1)[range(len(completion)), completion]
            ((chosen_A * advantages_A).sum() / len(COMPLETIONS)).backward()
        expected_W = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        assert torch.allclose(gradient_W, expected_W, atol=1e-5) and expected_W.norm() > 1


def test_the_power_of_a_rollout_is_that_of_its_actions(model):
    powers_G = GroupGradients(model, PROMPT, COMPLETIONS, temperature=0.7).powers()
    with torch.no_grad():
        expected = [score_powers(logits_of(model, ids, 0.7), torch.tensor(ids)).sum() for ids in COMPLETIONS]
    assert powers_G.tolist() == pytest.approx([float(power) for power in expected], rel=1e-5)


def test_advantages_are_one_for_each_action(model):
    gradients = GroupGradients(model, PROMPT, COMPLETIONS)
    with pytest.raises(ValueError, match=r"advantages are of \[4, 1, 1\] actions, and rollouts of \[4, 1, 2\]"):
        list(gradients.of([[torch.ones(4), torch.ones(1), torch.ones(1)]]))
