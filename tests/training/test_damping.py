"""The control arms shrink advantages by the position, or by the weight of the own reward."""

import pytest
import torch
from given_runs import build_trainer

from hista_repro.estimators import get_estimator
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.credit import node_positions, token_advantages
from hista_repro.training.damping import by_own_weight, by_position, damped


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


def test_a_run_with_a_control_arm(random_model, tmp_path):
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, damping=by_own_weight(get_estimator("hista").for_length(24)))
    trainer.train()
    assert len(trainer.state.log_history) == 3
