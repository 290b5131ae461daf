"""The variance of gradients: by hand, by autograd, by enumeration, and on a stream whose variance is known."""

import pytest
import torch
from given_runs import build_trainer

from hista_repro.models import load_model
from hista_repro.rollouts.token_distributions import score_powers
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.gradient_variance import GradientVarianceMixin, adam_gradient_variance


class Watched(GradientVarianceMixin, CreditGRPOTrainer):
    inputs = None

    def _compute_loss(self, model, inputs):
        self.inputs = inputs
        return super()._compute_loss(model, inputs)


def test_the_power_of_a_token_is_the_square_of_its_gradient():
    logits_T_V, tokens_T = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 3, 6, 1])
    for t, token in enumerate(tokens_T):
        logits_V = logits_T_V[t].clone().requires_grad_()
        logits_V.log_softmax(0)[token].backward()
        assert score_powers(logits_T_V, tokens_T)[t] == pytest.approx(float(logits_V.grad.square().sum()), abs=1e-6)


def test_two_baselines_differ_in_power_as_they_differ_in_variance():
    logits_V = torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)
    rewards_V, pi_V = torch.tensor([1.0, 0.0, 0.2, 0.7], dtype=torch.float64), logits_V.softmax(0)
    power_V = score_powers(logits_V.expand(4, 4), torch.arange(4)).double()
    scores_V_V = torch.eye(4, dtype=torch.float64) - pi_V
    powers, variances = [], []
    for baseline in (0.0, 0.4):
        advantages_V = rewards_V - baseline
        mean_V = (pi_V * advantages_V) @ scores_V_V
        deviations_V_V = advantages_V[:, None] * scores_V_V - mean_V
        variances.append(float(pi_V @ deviations_V_V.square().sum(dim=1)))
        powers.append(float(pi_V @ (power_V * advantages_V.square())))
    assert powers[0] - powers[1] == pytest.approx(variances[0] - variances[1], abs=1e-6)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
def test_adams_moments_tell_the_variance_of_a_known_stream(betas):
    generator, mean, deviation, size = torch.Generator().manual_seed(0), 0.3, 0.5, 40_000
    parameter = torch.nn.Parameter(torch.zeros(size))
    optimizer = torch.optim.Adam([parameter], lr=0.0, betas=betas)
    for update in range(12):
        parameter.grad = mean + deviation * torch.randn(size, generator=generator)
        optimizer.step()
        if update == 0:
            assert adam_gradient_variance(optimizer) is None  # one gradient has no variance
    assert adam_gradient_variance(optimizer) == pytest.approx(size * deviation**2, rel=0.03)
    assert adam_gradient_variance(torch.optim.SGD([parameter], lr=0.1)) is None


@pytest.mark.parametrize(("estimator", "temperature"), [("hista-loo", 1.0), ("loo-mean", 0.5), (None, 1.0)])
def test_a_step_reports_the_power_of_its_advantages(random_model, tmp_path, estimator, temperature):
    config = {"max_steps": 1, "temperature": temperature, "optim": "adamw_torch"}
    trainer = build_trainer(Watched, random_model, tmp_path, estimator=estimator, node_spacing=4, config=config)
    trainer.train()
    (logged,) = [entry for entry in trainer.state.log_history if "gradient/power" in entry]
    network, inputs = load_model(str(random_model))[0], trainer.inputs
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    start, advantages = inputs["prompt_ids"].shape[1], inputs["advantages"].view(len(ids), -1)
    with torch.no_grad():
        logits = network(input_ids=ids, attention_mask=mask).logits[:, start - 1 : -1] / temperature
    powers = torch.stack([score_powers(*row) for row in zip(logits, inputs["completion_ids"], strict=True)])
    powers = powers * inputs["completion_mask"]
    assert logged["gradient/power"] == pytest.approx(float((powers * advantages.square()).sum(dim=1).mean()), rel=1e-4)
    loo_power = (powers * inputs["loo_advantages"][:, None].square()).sum(dim=1).mean()
    assert logged["gradient/power_loo_mean"] == pytest.approx(float(loo_power), rel=1e-4)
    if estimator == "loo-mean":
        assert logged["gradient/power"] == pytest.approx(logged["gradient/power_loo_mean"], rel=1e-6)
