from dataclasses import replace

import pytest

from hista_repro.planning import Assumptions, cost_of_training, shape_of
from hista_repro.training import run as training_run
from hista_repro.training.config import TrainConfig
from hista_repro.training.tasks import accuracy_reward

FLAT = Assumptions(peak_flops=1e12, sampling_utilisation=0.5, training_utilisation=1.0)
RUN = TrainConfig("tiny", "arithmetic-steps", "", prompts=3, group_size=4, micro_batch=4, oversampling=2, max_tokens=100, steps=8)
PARAMETERS = shape_of("tiny").parameters


def hours(tokens: float, utilisation: float) -> float:
    return tokens * shape_of("tiny").flops_per_token(50) / (utilisation * 1e12) / 3600


def test_a_run_by_hand():
    cost = cost_of_training(replace(RUN, validation_problems=5, validate_every=4), FLAT)
    assert cost.rollouts == 8 * 3 * 4 * 2 + 5 * 3  # steps, prompts, rollouts, drawn for each that is kept; validated at 0, 4 and 8
    assert (cost.tokens, cost.continuations, cost.unknown) == (cost.rollouts * 100, 0, ())
    read = 8 * 3 * 4 * (2 + 3)  # log-probabilities of all that is drawn, gradients of what is kept
    assert cost.gpu_hours == pytest.approx(hours(cost.tokens, 0.5) + hours(read * 100, 1.0))
    assert cost.disk_bytes == PARAMETERS * (2 * 14 + 4)


@pytest.mark.parametrize(
    ("settings", "rollouts", "read"),
    [
        ({"iterations": 4}, 2 * 24, 2 * 24 + 8 * 12 * 3),
        ({"updates_per_generation": 3}, 3 * 24, 3 * 24 + 8 * 4 * 3),
        ({"oversampling": None, "preset": "dapo"}, 8 * 24, 8 * 24 + 8 * 12 * 3),  # DAPO draws twice as many
        ({"oversampling": None, "preset": "grpo"}, 8 * 12, 8 * 12 + 8 * 12 * 3),
        ({"gradient_checkpointing": True}, 8 * 24, 8 * 24 + 8 * 12 * 4),
        ({"preset": "ppo", "critic": {"epochs": 2}}, 8 * 24, 8 * 24 + 8 * 12 * (3 + 1 + 2 * 3)),
    ],
)
def test_what_settings_change(settings, rollouts, read):
    cost = cost_of_training(replace(RUN, **settings), FLAT)
    assert cost.rollouts == rollouts
    assert cost.gpu_hours == pytest.approx(hours(rollouts * 100, 0.5) + hours(read * 100, 1.0))


def test_continuations_of_every_node_are_counted():
    cost = cost_of_training(replace(RUN, estimator="mcs-2", node_spacing=30), FLAT)
    assert cost.continuations == 8 * 3 * 4 * 4 * 2  # nodes at 0, 30, 60 and 90
    assert cost.tokens == cost_of_training(RUN, FLAT).tokens + cost.continuations * 50


def test_a_critic_is_in_every_checkpoint():
    assert cost_of_training(replace(RUN, preset="ppo")).disk_bytes == PARAMETERS * (2 * 2 * 14 + 4)


def test_a_real_run_draws_what_is_planned(random_model, tmp_path, monkeypatch):
    drawn = []

    def counted(problems):
        accuracy = accuracy_reward(problems)

        def counting_accuracy(completions, completion_ids, **columns):
            drawn.extend(map(len, completion_ids))
            return accuracy(completions, **columns)

        return counting_accuracy

    monkeypatch.setattr(training_run, "accuracy_reward", counted)
    settings = {"limit": 100, "max_tokens": 12, "temperature": 1.0, "validation_problems": 8, "validate_every": 2, "save_every": 2}
    config = TrainConfig.from_dict(
        {"model": str(random_model), "problems": "arithmetic-steps", "out": str(tmp_path / "run"), "preset": "dapo", "prompts": 2}
        | {"group_size": 4, "micro_batch": 4, "iterations": 2, "steps": 4, "trl": {"use_cpu": True}, **settings}
    )
    folder, cost = training_run.train(config), cost_of_training(config)
    assert len(drawn) == cost.rollouts
    assert 0 < sum(drawn) <= cost.tokens
    networks = [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".pt")]
    assert 0 < sum(path.stat().st_size for path in networks) <= cost.disk_bytes
