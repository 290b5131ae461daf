"""Every algorithm runs with every estimator of the paper's comparison."""

import warnings
from itertools import product
from math import isfinite

import pytest
import torch
from given_runs import build_trainer, train
from trl import GRPOConfig, GRPOTrainer

from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.presets import PRESETS

ESTIMATORS = ("numca", "numca-loo", "hista", "hista-loo", "probe-loo", None)
ARMS = [*product(sorted(PRESETS.keys() - {"ppo"}), ESTIMATORS), ("ppo", None)]  # PPO has a critic of its own


def trainer_of(name, model, out, **settings):
    preset = PRESETS[name]
    config = {**preset.grpo_arguments(), "num_iterations": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GSPO's, that it loses the credit
        return build_trainer(preset.trainer, model, out, config=config, oversampling=preset.oversampling, **settings)


@pytest.mark.parametrize(("name", "estimator"), ARMS)
def test_every_preset_runs_with_every_estimator(random_model, tmp_path, name, estimator):
    run = train(trainer_of(name, random_model, tmp_path, estimator=estimator, allow_biased=True))
    assert len(run["losses"]) == 2
    assert all(map(isfinite, run["losses"]))


def test_credit_changes_the_step(random_model, tmp_path):
    plain, credit = (train(trainer_of("cispo", random_model, tmp_path, estimator=name)) for name in ("loo-mean", "hista-loo"))
    assert (plain["parameters"] - credit["parameters"]).abs().max() > 1e-4


def test_poise_trains_on_two_rollouts_per_prompt(random_model, tmp_path):
    trainer = build_trainer(
        CreditGRPOTrainer, random_model, tmp_path, estimator="poise-prompt", config={"num_generations": 2, "max_steps": 3}
    )
    assert all(map(isfinite, train(trainer)["losses"]))
    assert trainer._critic.fitted.name == "poise-prompt"


def test_rloo_is_the_gradient_of_whole_completions(random_model, tmp_path):
    """Without a division by lengths, the mean over completions of A times the sum of log-probabilities."""
    trainer = trainer_of("rloo", random_model, tmp_path, estimator="loo-mean")
    trainer.args.max_steps = 1
    model = trainer.model
    before = [p.detach().clone() for p in model.parameters()]
    outputs = []
    generate = trainer._generate_and_score_completions
    trainer._generate_and_score_completions = lambda inputs: outputs.append(generate(inputs)) or outputs[-1]
    trainer.train()
    after = [p.detach().clone() for p in model.parameters()]
    output, rewards = outputs[0], trainer.sampled.rewards_B.view(-1, 8)
    baselines = (rewards.sum(1, keepdim=True) - rewards) / 7
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), before, strict=True):
            parameter.copy_(value)
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
    log_probs = logits.gather(-1, ids[:, 1:, None])[..., 0][:, output["prompt_ids"].shape[1] - 1 :]
    objective = ((rewards - baselines).flatten() * (log_probs * output["completion_mask"]).sum(1)).mean()
    for parameter, old, new in zip(model.parameters(), before, after, strict=True):
        (gradient,) = torch.autograd.grad(objective, parameter, retain_graph=True)
        torch.testing.assert_close(new, old + 0.1 * gradient, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PRESETS)
def test_arguments_are_trls(name, tmp_path):
    GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **PRESETS[name].grpo_arguments())
    assert issubclass(PRESETS[name].trainer, GRPOTrainer)
