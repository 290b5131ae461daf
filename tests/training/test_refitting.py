"""An estimator that learns is asked only about what it was not fitted on."""

import gc
import weakref
from dataclasses import dataclass, replace

import pytest
import torch
from given_runs import build_trainer

from hista_repro.estimators import Estimator, Information
from hista_repro.estimators.constant import constant_values
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.policy_reader import PolicyReader
from hista_repro.training.refitting import RefittedEstimator


@dataclass(frozen=True)
class MeanOfSeen(Estimator):
    seen: tuple[str, ...] = ()
    value: float = 0.0

    name = "mean-of-seen"
    information = Information.PREFIX
    learns = True

    def fit(self, groups):
        rewards = torch.cat([group.rewards_G for group in groups])
        return replace(self, seen=tuple(group.prompt_id for group in groups), value=rewards.mean().item())

    def values(self, group, positions):
        assert group.prompt_id not in self.seen
        return constant_values(group, positions, torch.full((group.size,), self.value))


def group(name: str, *rewards: float) -> RolloutGroup:
    return RolloutGroup(name, ("",) * len(rewards), ((),) * len(rewards), torch.tensor(rewards))


def value_of(estimator: RefittedEstimator, asked: RolloutGroup) -> float:
    return estimator.values(asked, [[0]] * asked.size)[0].item()


def test_the_leave_one_out_mean_comes_first():
    estimator = RefittedEstimator(MeanOfSeen())
    assert value_of(estimator, group("a", 1.0, 0.0)) == 0.0
    estimator.learn([group("a", 1.0, 0.0)])  # one prompt shows nothing that holds across prompts
    assert value_of(estimator, group("b", 0.0, 1.0)) == 1.0
    estimator.learn([group("b", 1.0, 1.0)])
    assert value_of(estimator, group("c", 0.0, 0.0)) == 0.75


def test_the_oldest_are_forgotten():
    estimator = RefittedEstimator(MeanOfSeen(), capacity=4)
    estimator.learn([group("a", 1.0, 1.0), group("b", 0.0, 0.0), group("c", 0.0, 1.0)])
    assert estimator.fitted.seen == ("b", "c")
    assert value_of(estimator, group("d", 0.0, 0.0)) == 0.25


@pytest.mark.parametrize(
    ("estimator", "rows", "released"),
    [("probe-loo", 16, [True, True, True]), ("poise-token", 16, [True, True, True]), ("probe-loo", 8, [False, True, True])],
)
def test_what_is_kept_to_learn_from_does_not_keep_what_the_policy_showed(random_model, tmp_path, monkeypatch, estimator, rows, released):
    """But for that of a first prompt alone, which is not read before there is a second."""
    shown = []

    def init(self, trainer, output, rows, shown_B_S_D):
        copied = shown_B_S_D.double()  # or what is read, in float32, would be a view of it
        shown.append(weakref.ref(copied))
        original(self, trainer, output, rows, copied)

    original = PolicyReader.__init__
    monkeypatch.setattr(PolicyReader, "__init__", init)
    config = {"max_steps": 6, "num_iterations": 2, "per_device_train_batch_size": rows}
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator=estimator, config=config)
    trainer.train()
    gc.collect()
    assert len(trainer._critic._groups) == 3 * rows // 8 and len(shown) == 3
    assert [reference() is None for reference in shown] == released
