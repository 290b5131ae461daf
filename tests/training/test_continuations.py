"""Monte-Carlo credit: continuations begin at their states, are cut where the completion would be, and are counted."""

import pytest
import torch
from given_runs import build_trainer, count_of

from hista_repro.training import CreditGRPOTrainer


class Recording(CreditGRPOTrainer):
    """Keeps what the continuations were asked for and gave, and the advantages."""

    def _generate_single_turn(self, prompt_ids, *arguments, **keywords):
        written, log_probs = super()._generate_single_turn(prompt_ids, *arguments, **keywords)
        self.asked = [*getattr(self, "asked", []), *prompt_ids]
        self.written = [*getattr(self, "written", []), *written]
        return written, log_probs

    def _generate_and_score_completions(self, inputs):
        self.output = super()._generate_and_score_completions(inputs)
        return self.output


@pytest.mark.parametrize("draws", [1, 2])
def test_values_are_means_over_fresh_continuations(random_model, tmp_path, draws):
    reward = count_of("3")
    settings = {"estimator": f"mcs-{draws}", "advantage_scale": "none", "node_spacing": 8, "reward_funcs": reward}
    trainer = build_trainer(Recording, random_model, tmp_path, config={"max_steps": 1}, **settings)
    trainer.train()
    tokenizer, prompts = trainer.processing_class, trainer.output["prompt_ids"]
    position, drawn = 0, 0
    for row, actions in enumerate(trainer.sampled.completions):
        prompt = prompts[row][trainer.output["prompt_mask"][row].bool()].tolist()
        for t in range(0, len(actions), 8):
            rewards = []
            for _ in range(draws):
                assert trainer.asked[position] == [*prompt, *actions[:t]]
                ids = [*actions[:t], *trainer.written[position][: 24 - t]]
                drawn += len(ids) - t
                rewards += reward([tokenizer.decode(ids, skip_special_tokens=True)])
                position += 1
            expected = trainer.sampled.rewards_B[row] - torch.tensor(rewards).mean()
            torch.testing.assert_close(trainer.output["advantages"][row, t], expected)
    assert position == len(trainer.asked)
    assert trainer.state.log_history[0]["credit/drawn_tokens"] == drawn


def length(completions, log_extra, log_metric, **_):
    log_extra("length", list(map(len, completions)))
    log_metric("length", len(completions))
    return [len(text) / 100 for text in completions]


def seldom(completions, **_):
    return [(None, float("nan"))[len(text) % 2] for text in completions]


def test_continuations_are_rewarded_as_rollouts_are(random_model, tmp_path):
    """A function that gives no number is left out, and what functions log is logged of the rollouts alone."""
    outputs = []
    for functions in ([length], [seldom, length]):
        settings = {"estimator": "mcs-1", "node_spacing": 8, "reward_funcs": functions}
        trainer = build_trainer(Recording, random_model, tmp_path, config={"max_steps": 1}, **settings)
        trainer.train()
        outputs.append(trainer.output["advantages"])
        assert trainer.state.log_history[0]["length"] == 16
        assert len(trainer._logs["extra"]["length"]) == 16 and not trainer._pending_extra_logs
    torch.testing.assert_close(*outputs, rtol=0, atol=0)
    assert outputs[0].isfinite().all()


def test_a_continuation_that_nothing_rewards(random_model, tmp_path):
    def of_rollouts(completions, **_):
        return [1.0 if len(completions) == 16 else None] * len(completions)

    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator="mcs-2", node_spacing=8, reward_funcs=of_rollouts)
    with pytest.raises(ValueError, match=r"reward_funcs \(of_rollouts\) gave NaN or None"):
        trainer.train()
