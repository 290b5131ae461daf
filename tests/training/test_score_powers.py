"""How far the tokens of a batch can move the policy, as the trainer tells estimators: against a pass over each rollout alone."""

import pytest
import torch
from given_runs import build_trainer

from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.policy_reader import PolicyReader


@pytest.mark.parametrize("estimator", ["otb-loo", "loo-share"])
def test_the_trainer_tells_the_score_powers_of_what_was_written(estimator, tmp_path, monkeypatch):
    found, original = [], PolicyReader.score_powers

    def score_powers(self):
        found.append((self.rows, original(self)))
        return found[-1][1]

    monkeypatch.setattr(PolicyReader, "score_powers", score_powers)
    config = {"max_steps": 2, "temperature": 0.7, "learning_rate": 0.0}
    trainer = build_trainer(CreditGRPOTrainer, "tiny", tmp_path, config=config, estimator=estimator, node_spacing=4)
    trainer.train()
    assert len(found) == 2, "they are read once for all groups of a step"
    model = trainer.accelerator.unwrap_model(trainer.model).eval()
    for rows, powers in found:
        for row, powers_T in zip(rows, powers, strict=True):
            logits_T_V = model(input_ids=torch.tensor([[*row.prompt, *row.written]])).logits[0, len(row.prompt) - 1 : -1] / 0.7
            probabilities_T_V = logits_T_V.softmax(dim=1)
            one_hot_T_V = torch.nn.functional.one_hot(torch.tensor(row.written).long(), logits_T_V.shape[1])
            torch.testing.assert_close(powers_T, (one_hot_T_V - probabilities_T_V).square().sum(dim=1), rtol=1e-3, atol=1e-5)
