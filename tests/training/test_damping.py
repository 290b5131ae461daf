"""The control arms shrink advantages by the position, or by the weight of the own reward."""

import pytest
import torch
from given_runs import build_trainer

from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.training import CreditGRPOTrainer, run
from hista_repro.training.config import TrainConfig
from hista_repro.training.credit import node_positions, token_advantages
from hista_repro.training.damping import by_own_weight, by_position, damped
from hista_repro.training.metrics_log import read_metrics


def group() -> RolloutGroup:
    return RolloutGroup("p", ("abcd", "ab", ""), ((1, 2, 3, 4), (1, 2), ()), torch.tensor([1.0, 0.0, 1.0]))


def test_position_counts_what_was_written():
    factors = by_position(group(), [[0, 2, 4], [1], [0]])
    assert [f.tolist() for f in factors] == [[1.0, 0.5, 0.0], [0.5], [1.0]]


@pytest.mark.parametrize("damping", [by_position, by_own_weight(get_estimator("ramp"))])
def test_the_damped_leave_one_out_advantage_is_that_of_the_ramp(damping):
    """R - ((1 - u) m + u R) = (1 - u) (R - m), and u is the weight of the own reward in the ramp."""
    actions = [5, 3, 1]
    positions = node_positions(actions, 2)
    plain, ramp = (
        token_advantages(get_estimator(name).values(group(), positions), group().rewards_G, actions, spacing=2)
        for name in ("loo-mean", "ramp")
    )
    for found, expected in zip(damped(plain, damping(group(), positions), 2), ramp, strict=True):
        torch.testing.assert_close(found, expected)


PLUGIN = """
from dataclasses import dataclass, replace
from hista_repro.estimators.group_mean import GroupMean

@dataclass(frozen=True)
class OfOneModel(GroupMean):
    name = "of-one-model"
    model: str = ""

    def for_model(self, name):
        return replace(self, model=name)

    def values(self, group, positions):
        assert self.model, "the model was not named"
        return super().values(group, positions)

ESTIMATORS = [OfOneModel()]
"""


def test_a_run_names_the_model_to_the_estimator_that_damps(random_model, tmp_path, monkeypatch):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    monkeypatch.setenv("HISTA_REPRO_PLUGINS", str(tmp_path))
    config = TrainConfig(
        **{"model": str(random_model), "problems": "arithmetic-steps", "out": str(tmp_path / "run"), "limit": 20},
        **{"damping": "own-weight", "damping_estimator": "of-one-model", "estimator": "loo-mean", "oversampling": 1},
        **{"prompts": 1, "group_size": 2, "micro_batch": 2, "max_tokens": 4, "steps": 1, "trl": {"use_cpu": True}},
    )
    assert "credit/seconds" in read_metrics(run.train(config))


class Recording(CreditGRPOTrainer):
    def _generate_and_score_completions(self, inputs):
        self.output = super()._generate_and_score_completions(inputs)
        return self.output


@pytest.mark.parametrize("damping", [by_position, by_own_weight(get_estimator("ramp"))])
def test_a_run_with_a_control_arm(random_model, tmp_path, damping):
    """Training with the damped leave-one-out mean is training with the ramp."""
    advantages = []
    for settings in ({"damping": damping}, {"estimator": "ramp", "allow_biased": True}, {}):
        trainer = build_trainer(Recording, random_model, tmp_path, config={"max_steps": 1}, node_spacing=4, **settings)
        trainer.train()
        advantages.append(trainer.output["advantages"])
    damped_B_T, ramp_B_T, plain_B_T = advantages
    torch.testing.assert_close(damped_B_T, ramp_B_T)
    assert not torch.allclose(damped_B_T, plain_B_T)


def test_own_weights_are_of_estimators_that_do_not_learn():
    with pytest.raises(Refused, match="probe learns from other rewards"):
        by_own_weight(get_estimator("probe"))
