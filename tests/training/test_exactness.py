"""The same rollouts through TRL's trainer and ours, and through ours in other orders, splits and paddings."""

import pytest
import torch
from given_runs import ENDINGS, build_trainer, given_rollouts, train
from trl import GRPOTrainer

from hista_repro.estimators import get_estimator
from hista_repro.training import CreditGRPOTrainer

CONSTANT = {"estimator": "group-mean", "allow_biased": True, "advantage_scale": "group"}
"""Values that are the same at every token: GRPO's own advantages."""


class Recording(CreditGRPOTrainer):
    """Keeps what the first generation step gave."""

    output = None

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        if self.output is None:
            self.output, self.first_sampled = output, self.sampled
        return output


def assert_same(found, expected, tolerance):
    assert found["losses"] == pytest.approx(expected["losses"], abs=tolerance)
    torch.testing.assert_close(found["parameters"], expected["parameters"], atol=tolerance, rtol=0)


@pytest.mark.parametrize("scale_rewards", ["group", "batch", "none"])
def test_the_scale_is_the_one_that_trl_is_told(random_model, tmp_path, scale_rewards):
    config = {"scale_rewards": scale_rewards, "max_steps": 1}
    ours = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, estimator="group-mean", allow_biased=True))
    assert_same(ours, train(build_trainer(GRPOTrainer, random_model, tmp_path, config=config)), 1e-6)


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo", "dapo", "cispo"])
@pytest.mark.parametrize("num_iterations", [1, 2])
def test_constant_values_are_trl(random_model, tmp_path, loss_type, num_iterations):
    config = {"loss_type": loss_type, "num_iterations": num_iterations, "scale_rewards": "group", "epsilon_high": 5.0}
    ours = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, **CONSTANT))
    assert_same(ours, train(build_trainer(GRPOTrainer, random_model, tmp_path, config=config)), 1e-6)


def test_without_an_estimator_it_is_trl(random_model, tmp_path):
    ours = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator=None))
    assert_same(ours, train(build_trainer(GRPOTrainer, random_model, tmp_path)), 0)


@pytest.mark.parametrize("estimator", [None, "hista-loo"])
def test_dapo_and_cispo_differ_only_where_a_ratio_leaves_1(random_model, tmp_path, estimator):
    def parameters(loss_type, num_iterations):
        # TRL adds DAPO's bound to 1 and takes CISPO's as it is.
        config = {"loss_type": loss_type, "num_iterations": num_iterations, "epsilon_high": {"dapo": 0.28, "cispo": 5.0}[loss_type]}
        return train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, estimator=estimator))["parameters"]

    torch.testing.assert_close(parameters("cispo", 1), parameters("dapo", 1), atol=1e-6, rtol=0)
    assert float((parameters("cispo", 2) - parameters("dapo", 2)).abs().max()) > 1e-4


@pytest.mark.parametrize("estimator", ["hista-loo", "numca-loo", "probe-loo"])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "cispo"])
def test_micro_batches_change_nothing(random_model, tmp_path, estimator, loss_type):
    whole = {"loss_type": loss_type, "epsilon_high": 5.0}
    parts = {**whole, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}
    runs = [train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=c, estimator=estimator)) for c in (whole, parts)]
    assert_same(*runs, 1e-5)


@pytest.mark.parametrize("estimator", ["hista-loo", "numca-loo"])
def test_padding_changes_nothing(random_model, tmp_path, estimator):
    configs = [{"pad_to_multiple_of": None}, {"pad_to_multiple_of": 32}]
    runs = [train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=c, estimator=estimator)) for c in configs]
    assert_same(*runs, 1e-5)


@pytest.mark.parametrize("estimator", ["hista-loo", "numca-loo"])
def test_the_order_of_a_group_changes_nothing(random_model, tmp_path, estimator):
    def reversed_groups(prompts, trainer):
        rollouts, size = given_rollouts(prompts, trainer), trainer.num_generations
        for name in ("prompt_ids", "completion_ids"):
            rows = rollouts[name]
            rollouts[name] = [row for start in range(0, len(rows), size) for row in reversed(rows[start : start + size])]
        return rollouts

    runs = [
        train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator=estimator, rollout_func=function))
        for function in (given_rollouts, reversed_groups)
    ]
    assert_same(*runs, 1e-5)


@pytest.mark.parametrize("estimator", ["hista-loo", "numca-loo"])
def test_every_token_has_its_advantage_and_no_padding_has(random_model, tmp_path, estimator):
    trainer = build_trainer(Recording, random_model, tmp_path, estimator=estimator, node_spacing=3, config={"max_steps": 1})
    trainer.train()
    advantages_B_T, lengths = trainer.output["advantages"], [len(ids) for ids in trainer.first_sampled.completions]
    assert min(lengths) == 1 and max(lengths) == max(map(len, ENDINGS)) + 1
    for advantages_T, length, reward in zip(advantages_B_T, lengths, trainer.first_sampled.rewards_B, strict=True):
        assert (advantages_T[:length] * (reward - 0.5) > 0).all()  # values lie strictly inside (0, 1) here
        assert (advantages_T[length:] == 0).all()


def test_hidden_states_of_trls_own_pass_are_those_of_the_extra_pass(random_model, tmp_path):
    trainers = [
        build_trainer(Recording, random_model, tmp_path, estimator="hista-loo", config={"num_iterations": n, "max_steps": 1})
        for n in (1, 2)
    ]
    for trainer in trainers:
        trainer.train()
    torch.testing.assert_close(*(trainer.output["advantages"] for trainer in trainers), atol=1e-5, rtol=0)
    passes = ["credit/forward_seconds" in trainer.state.log_history[0] for trainer in trainers]
    assert passes == [True, False]


def test_truncated_completions_that_the_loss_leaves_out_still_have_hidden_states(random_model, tmp_path):
    advantages = []
    for mask in (False, True):
        config = {"mask_truncated_completions": mask, "num_iterations": 2, "max_steps": 1}
        trainer = build_trainer(Recording, random_model, tmp_path, estimator="hista-loo", config=config)
        trainer.train()
        advantages.append(trainer.output["advantages"])
    torch.testing.assert_close(*advantages, atol=1e-5, rtol=0)


def test_a_model_that_is_given_is_the_one_that_an_estimator_is_told_of(random_model, tmp_path):
    """POISE reads the first of two layers; without a model it would read the last."""
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator="poise-token")
    assert trainer.estimator.layer == get_estimator("poise-token").for_model(str(random_model)).layer == 1
    trainer.model.name_or_path = ""
    named_nowhere = CreditGRPOTrainer(
        trainer.model,
        trainer.reward_funcs,
        trainer.args,
        trainer.train_dataset,
        estimator="poise-token",
        processing_class=trainer.processing_class,
    )
    assert named_nowhere.estimator.layer is None


def test_other_layers_can_be_read(random_model, tmp_path):
    advantages = []
    for layer in (-1, 2, 1):
        estimator = get_estimator("hista-loo", layer=layer).for_length(24)
        trainer = build_trainer(Recording, random_model, tmp_path, estimator=estimator, config={"max_steps": 1})
        trainer.train()
        advantages.append(trainer.output["advantages"])
    torch.testing.assert_close(advantages[0], advantages[1])  # the second of two layers is the last
    assert not torch.allclose(advantages[0], advantages[2])
