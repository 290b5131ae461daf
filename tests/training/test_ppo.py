"""PPO's critic: its advantages, its losses, its phases, and that it learns and is restored."""

import math

import pytest
import torch
from given_runs import build_trainer, parameters

from hista_repro.errors import Refused
from hista_repro.training.batch import Rollout
from hista_repro.training.damping import by_position
from hista_repro.training.ppo import PPOCritic, PPOTrainer, explained, whitened


class Recording(PPOTrainer):
    def _generate_and_score_completions(self, inputs):
        self.output = super()._generate_and_score_completions(inputs)
        return self.output


def test_an_untrained_critic_gives_every_token_the_reward_less_a_half(random_model, tmp_path):
    critic = PPOCritic(actor_lambda=1.0, whiten=False)
    trainer = build_trainer(Recording, random_model, tmp_path, critic=critic, config={"max_steps": 1})
    trainer.train()
    lengths = [len(ids) for ids in trainer.sampled.completions]
    for advantages_T, length, reward in zip(trainer.output["advantages"], lengths, trainer.sampled.rewards_B, strict=True):
        torch.testing.assert_close(advantages_T[:length], torch.full((length,), float(reward - 0.5)))
        assert (advantages_T[length:] == 0).all()


def test_the_clipped_loss_by_hand():
    values, old, targets = torch.tensor([0.9, 0.55, 0.1]), torch.tensor([0.5, 0.5, 0.5]), torch.tensor([1.0, 1.0, 1.0])
    # 0.9 has moved 0.4 and counts as 0.7; 0.55 is inside; 0.1 moved away and its own error is the larger.
    assert PPOCritic(clip=0.2).losses(values, old, targets).tolist() == pytest.approx([0.045, 0.10125, 0.405])
    assert PPOCritic(clip=None).losses(values, old, targets).tolist() == pytest.approx([0.005, 0.10125, 0.405])


def test_lambda_follows_the_length():
    adaptive = PPOCritic(length_adaptive=0.05)
    assert (adaptive.lambda_for(100), adaptive.lambda_for(1000)) == pytest.approx((0.8, 0.98))
    assert adaptive.lambda_for(1) == 0.0
    assert PPOCritic(actor_lambda=0.9).lambda_for(1000) == 0.9


def test_whitening_is_over_tokens():
    found = torch.cat(whitened([torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0])]))
    assert found.mean().item() == pytest.approx(0, abs=1e-6)
    assert found.std(correction=0).item() == pytest.approx(1)
    assert torch.cat(whitened([torch.ones(2)])).tolist() == [0, 0]


def test_a_critic_that_knows_the_group_mean_explains_nothing_within_prompts():
    rows = [Rollout((), (1,), 1, reward) for reward in (1.0, 0.0, 1.0, 1.0)]
    means = [torch.tensor([mean]) for mean in (0.5, 0.5, 1.0, 1.0)]
    shares = explained(means, rows, 2)
    assert shares["explained_within_prompts"] == 0
    assert shares["explained_variance"] == pytest.approx(1 / 3)
    assert explained([torch.tensor([row.reward]) for row in rows], rows, 2)["explained_within_prompts"] == 1


def test_of_rewards_that_do_not_vary_nothing_can_be_explained():
    def shares(*rewards, scale=0.1):
        rows = [Rollout((), (1,), 1, reward) for reward in rewards]
        return list(explained([torch.tensor([scale * i]) for i in range(len(rows))], rows, 3).values())

    assert shares(0.1, 0.1, 0.1, 0.1, 0.1, 0.1) == pytest.approx([math.nan, math.nan], nan_ok=True)
    of_all, within = shares(0.1, 0.1, 0.1, 0.7, 0.7, 0.7)
    assert math.isfinite(of_all) and math.isnan(within)
    assert all(map(math.isnan, shares(0.0, 1.0, 0.0, 1.0, 0.0, 1.0, scale=math.nan))), "nor of values that are no numbers"


def test_the_critic_learns_while_the_policy_waits(random_model, tmp_path):
    critic = PPOCritic(pretraining=12, learning_rate=1e-2, head_learning_rate=1e-1, epochs=4, clip=None)
    trainer = build_trainer(PPOTrainer, random_model, tmp_path, critic=critic, config={"max_steps": 12, "optim": "adamw_torch"})
    before = parameters(trainer)
    trainer.train()
    shares = [entry["critic/explained_variance"] for entry in trainer.state.log_history if "critic/explained_variance" in entry]
    assert shares[0] == pytest.approx(0, abs=1e-6)
    assert shares[-1] > 0.5
    assert torch.equal(parameters(trainer), before)


def test_the_critic_is_in_the_checkpoint(random_model, tmp_path):
    config = {"max_steps": 2, "save_strategy": "steps", "save_steps": 2}
    trainer = build_trainer(PPOTrainer, random_model, tmp_path, config=config)
    trainer.train()
    resumed = build_trainer(PPOTrainer, random_model, tmp_path, config={**config, "max_steps": 3})
    resumed._load_from_checkpoint(str(tmp_path / "checkpoint-2"))
    assert resumed.generations == 2
    for name, value in trainer.critic.state_dict().items():
        assert torch.equal(value, resumed.critic.state_dict()[name])
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert resumed.generations == 3


def test_what_ppo_does_not_take(random_model, tmp_path):
    with pytest.raises(Refused, match="leave the estimator out"):
        build_trainer(PPOTrainer, random_model, tmp_path, estimator="hista-loo")
    with pytest.raises(Refused, match="set in its critic"):
        build_trainer(PPOTrainer, random_model, tmp_path, gae_lambda=0.9)
    with pytest.raises(Refused, match="set in its critic"):
        build_trainer(PPOTrainer, random_model, tmp_path, advantage_scale="group")
    with pytest.raises(Refused, match="set in its critic"):
        build_trainer(PPOTrainer, random_model, tmp_path, damping=by_position)
    with pytest.raises(Refused, match="sum_then_normalize"):
        build_trainer(PPOTrainer, random_model, tmp_path, config={"multi_objective_aggregation": "normalize_then_sum"})
    with pytest.raises(Refused, match="length_adaptive must be above 0"):
        PPOCritic(length_adaptive=0.0)
    trainer = build_trainer(PPOTrainer, random_model, tmp_path, reward_funcs=lambda completions, **_: [2.0] * len(completions))
    with pytest.raises(ValueError, match=r"reward_funcs gave 2.0"):
        trainer.train()
