"""GSPO-token: GSPO's value, a gradient that depends on the token's own advantage."""

import torch
from given_runs import build_trainer, train
from trl import GRPOTrainer

from hista_repro.training import GSPOTokenTrainer
from hista_repro.training.gspo_token import gspo_token_references


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    log_probs, old = (-torch.rand(2, 5, generator=generator) for _ in range(2))
    return log_probs.requires_grad_(), old, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def gradient_of(advantages_B_T: torch.Tensor) -> torch.Tensor:
    log_probs, old, mask = tensors()
    ratio = (log_probs - gspo_token_references(log_probs, old, mask)).exp()
    loss = -((ratio * advantages_B_T * mask).sum(1) / mask.sum(1)).mean()
    return torch.autograd.grad(loss, log_probs)[0]


def test_the_ratio_has_the_value_of_the_sequence():
    log_probs, old, mask = tensors()
    ratio = (log_probs - gspo_token_references(log_probs, old, mask)).exp()
    expected = (((log_probs - old) * mask).sum(1) / mask.sum(1)).exp()
    torch.testing.assert_close(ratio[:, 0], expected)
    torch.testing.assert_close(ratio[0], expected[:1].expand(5))


def test_the_gradient_of_a_token_depends_on_its_own_advantage_alone():
    before = torch.ones(2, 5)
    after = before.clone()
    after[0, 3] = -2.0
    change = gradient_of(after) - gradient_of(before)
    assert change[0, 3] != 0
    change[0, 3] = 0
    assert (change == 0).all()


def test_equal_advantages_give_the_gradient_of_gspo():
    advantages_B = torch.tensor([0.7, -0.3])
    log_probs, old, mask = tensors()
    ratio = (((log_probs - old) * mask).sum(1) / mask.sum(1)).exp()
    gspo = torch.autograd.grad(-(ratio * advantages_B).mean(), log_probs)[0]
    torch.testing.assert_close(gradient_of(advantages_B[:, None].expand(2, 5)), gspo)


def test_constant_values_train_as_trls_gspo(random_model, tmp_path):
    config = {"loss_type": "grpo", "num_iterations": 2, "max_steps": 4, "epsilon": 3e-4, "epsilon_high": 4e-4}
    gspo = train(build_trainer(GRPOTrainer, random_model, tmp_path, config={**config, "importance_sampling_level": "sequence"}))
    settings = {"estimator": "group-mean", "allow_biased": True, "advantage_scale": "group"}
    ours = train(build_trainer(GSPOTokenTrainer, random_model, tmp_path, config=config, **settings))
    assert len(ours["losses"]) == 4
    torch.testing.assert_close(ours["parameters"], gspo["parameters"], atol=1e-6, rtol=0)
