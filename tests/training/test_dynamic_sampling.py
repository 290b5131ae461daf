"""More prompts are drawn than trained on; what is thrown away must leave no trace."""

import pytest
import torch
from given_runs import PROMPTS, build_trainer, train

from hista_repro.errors import Refused
from hista_repro.training import CreditGRPOTrainer


class Recording(CreditGRPOTrainer):
    outputs = ()

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.outputs = (*self.outputs, output)
        self.drawn = len(inputs)
        return output


def mixed_for_some(prompts, completions, **_):
    """Groups of the first and the last prompt have mixed rewards; the others are all right."""
    return [float("3" in text) if prompt in (PROMPTS[0], PROMPTS[3]) else 1.0 for prompt, text in zip(prompts, completions, strict=True)]


@pytest.mark.parametrize("estimator", [None, "hista-loo"])
def test_the_most_mixed_groups_are_kept(random_model, tmp_path, estimator):
    settings = {"estimator": estimator, "oversampling": 2, "reward_funcs": mixed_for_some}
    trainer = build_trainer(Recording, random_model, tmp_path, config={"max_steps": 1, "num_iterations": 2}, **settings)
    trainer.train()
    (output,) = trainer.outputs
    assert trainer.drawn == 32
    assert {len(value) for value in output.values() if value.ndim > 0} == {16}
    assert {example["prompt"] for example in trainer.sampled.inputs} == {PROMPTS[0], PROMPTS[3]}
    assert output["num_items_in_batch"] == output["completion_mask"].sum()
    assert trainer.state.log_history[0]["dynamic_sampling/mixed_groups"] == 1.0


def test_training_on_what_was_kept_is_training_on_it_alone(random_model, tmp_path):
    """The prompts that are kept, drawn without any others, give the same step."""
    common = {"reward_funcs": mixed_for_some, "estimator": "hista-loo"}
    config = {"max_steps": 1, "loss_type": "dapo"}
    kept = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, oversampling=2, **common))
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, **common)
    trainer.train_dataset = trainer.train_dataset.select([0, 3])
    alone = train(trainer)
    torch.testing.assert_close(kept["parameters"], alone["parameters"], atol=1e-6, rtol=0)


def test_fewer_prompts_than_trained_on_cannot_be_drawn(random_model, tmp_path):
    with pytest.raises(Refused, match="oversampling must be 1 or more"):
        build_trainer(CreditGRPOTrainer, random_model, tmp_path, oversampling=0)
