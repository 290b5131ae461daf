"""Gradients of a group of rollouts: against autograd on each rollout alone."""

import pytest
import torch

from hista_repro.models import load_model
from hista_repro.rollouts.token_distributions import score_powers
from hista_repro.training import policy_gradients as module
from hista_repro.training.policy_gradients import action_powers, policy_gradients

PROMPT, COMPLETIONS = [3, 4, 5], [[6, 7, 8, 9], [10], [7, 7]]


@pytest.fixture(scope="module")
def model(random_model):
    return load_model(str(random_model))[0]


def logits_of(model, completion, temperature):
    return model(input_ids=torch.tensor([[*PROMPT, *completion]])).logits[0, len(PROMPT) - 1 : -1] / temperature


@pytest.mark.parametrize(("temperature", "tokens_at_once"), [(1.0, 1 << 12), (0.5, 1), (0.5, 14)])
def test_the_gradients_are_those_of_each_rollout_alone(model, monkeypatch, temperature, tokens_at_once):
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", tokens_at_once)  # all, one or two rollouts in a part
    advantages = [
        [torch.tensor([1.0, -2, 0.5, 3]), torch.tensor([0.5]), torch.tensor([-1.0, 2])],
        [torch.zeros(4), torch.zeros(1), torch.zeros(2)],
        [torch.zeros(4), torch.tensor([-1.0]), torch.ones(2)],
    ]
    found_E_W = policy_gradients(model, PROMPT, COMPLETIONS, advantages, temperature=temperature)
    assert not found_E_W[1].any()
    for gradient_W, given in ((found_E_W[0], advantages[0]), (found_E_W[2], advantages[2])):
        model.zero_grad()
        for completion, advantages_A in zip(COMPLETIONS, given, strict=True):
            chosen_A = logits_of(model, completion, temperature).log_softmax(-1)[range(len(completion)), completion]
            ((chosen_A * advantages_A).sum() / len(COMPLETIONS)).backward()
        expected_W = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        assert torch.allclose(gradient_W, expected_W, atol=1e-5) and expected_W.norm() > 1


@pytest.mark.parametrize("tokens_at_once", [1 << 12, 1])
def test_the_power_of_every_action(model, monkeypatch, tokens_at_once):
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", tokens_at_once)
    found = action_powers(model, PROMPT, COMPLETIONS, temperature=0.7)
    with torch.no_grad():
        for powers_A, ids in zip(found, COMPLETIONS, strict=True):
            assert powers_A.tolist() == pytest.approx(score_powers(logits_of(model, ids, 0.7), torch.tensor(ids)).tolist(), rel=1e-4)


def test_advantages_are_one_for_each_action(model):
    with pytest.raises(ValueError, match=r"advantages are of \[4, 1, 1\] actions, and rollouts of \[4, 1, 2\]"):
        policy_gradients(model, PROMPT, COMPLETIONS, [[torch.ones(4), torch.ones(1), torch.ones(1)]])
