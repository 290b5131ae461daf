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
