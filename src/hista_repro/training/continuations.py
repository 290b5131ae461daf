"""Fresh continuations of the states that a training step asks about: what Monte-Carlo credit (VinePPO, arXiv 2410.01679) costs and gets."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from trl.data_utils import is_conversational
from trl.trainer.utils import is_async_callable

from hista_repro.errors import Refused
from hista_repro.training.batch import Rollout

if TYPE_CHECKING:
    from hista_repro.training.trainer import CreditGRPOTrainer


def draw_continuations(
    trainer: "CreditGRPOTrainer", rows: Sequence[Rollout], positions: Sequence[Sequence[int]], count: int
) -> list[dict[int, Tensor]]:
    """For each of `rows` and each of its `positions` the rewards (count,) of fresh continuations under the policy being trained.

    A continuation may use what its state has left of `max_completion_length`. Adds the tokens that were drawn to `credit/drawn_tokens`.
    """
    states = [(row, t) for row, tokens in enumerate(positions) for t in tokens]
    wanted = [state for state in states for _ in range(count)]
    completions: list[list[int]] = []
    at_once = trainer.args.per_device_train_batch_size * trainer.args.steps_per_generation
    for start in range(0, len(wanted), at_once):
        completions += _continue(trainer, rows, wanted[start : start + at_once])
    rewards = _rewards(trainer, wanted, completions)
    drawn = sum(len(ids) - t for ids, (_, t) in zip(completions, wanted, strict=True))
    trainer._metrics["train"]["credit/drawn_tokens"].append(float(drawn))
    found: list[dict[int, Tensor]] = [{} for _ in rows]
    for (row, t), rewards_K in zip(states, rewards.split(count), strict=True):
        found[row][t] = rewards_K
    return found


def check_reward_functions(trainer: "CreditGRPOTrainer") -> None:
    """`Refused` for rewards that can be had for whole batches of TRL's only: those of models, and asynchronous ones."""
    if any(isinstance(function, nn.Module) or is_async_callable(function) for function in trainer.reward_funcs):
        raise Refused(f"{trainer.estimator.name} grades continuations too, which takes plain reward functions; wrap the others in one")


def _continue(trainer: "CreditGRPOTrainer", rows: Sequence[Rollout], states: Sequence[tuple[int, int]]) -> list[list[int]]:
    """A whole completion for each state, what was written before included."""
    prefixes = [[*rows[row].prompt, *rows[row].written[:t]] for row, t in states]
    written, _ = trainer._generate_single_turn(prefixes, None, {}, 1)
    most = trainer.max_completion_length
    return [[*rows[row].written[:t], *ids[: most - t]] for (row, t), ids in zip(states, written, strict=True)]


def _rewards(trainer: "CreditGRPOTrainer", states: Sequence[tuple[int, int]], completions: list[list[int]]) -> Tensor:
    """(len(states),): what the reward functions give, weighted and summed, as for the rollouts themselves; raises as for these.

    What the functions log is dropped: TRL's table and metrics are those of the rollouts.
    """
    inputs = [trainer.sampled.inputs[row] for row, _ in states]
    texts = trainer.processing_class.batch_decode(completions, skip_special_tokens=True)
    if is_conversational(inputs[0]):
        texts = [[{"role": "assistant", "content": text}] for text in texts]
    columns = {key: [example[key] for example in inputs] for key in inputs[0] if key not in ("prompt", "completion", "completion_ids")}
    rewards_B_F = torch.empty(len(states), len(trainer.reward_funcs))
    for f, function in enumerate(trainer.reward_funcs):
        given = function(
            prompts=[example["prompt"] for example in inputs],
            completions=texts,
            completion_ids=completions,
            trainer_state=trainer.state,
            log_extra=lambda column, values: None,
            log_metric=lambda name, value: None,
            **columns,
        )
        rewards_B_F[:, f] = torch.tensor([math.nan if reward is None else float(reward) for reward in given])
    return trainer._summed(rewards_B_F)
