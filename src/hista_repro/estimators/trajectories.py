"""Rollouts as a critic reads them: one sequence of tokens, prompt and completion, in padded batches of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from hista_repro.rollouts.group import RolloutGroup

MAX_TOKENS = 1 << 12
"""Rows times columns of what is read at once, which bounds memory and changes no result but by rounding. A backward pass through a model of
135 million parameters keeps a megabyte for each."""
_MAX_NORM = 1.0
"""Gradients are clipped to this norm, as in trl and verl."""


@dataclass(frozen=True)
class Trajectory:
    """A rollout with its reward."""

    token_ids: tuple[int, ...]
    first: int
    """Index of the last prompt token, at which the value of state (i, 0) is read; that of (i, t) is read t tokens later."""
    reward: float

    @property
    def states(self) -> int:
        """T_i + 1."""
        return len(self.token_ids) - self.first


@dataclass(frozen=True)
class Batch:
    """B trajectories, padded on the right to T tokens."""

    ids_B_T: Tensor
    mask_B_T: Tensor
    """Whether there is a token."""
    states_B_T: Tensor
    """Whether a state (i, 0..T_i) ends there."""
    last_B: Tensor
    rewards_B: Tensor

    @classmethod
    def pad(cls, trajectories: Sequence[Trajectory], device: torch.device) -> Self:
        ids = nn.utils.rnn.pad_sequence([torch.tensor(trajectory.token_ids) for trajectory in trajectories], batch_first=True)
        column_T = torch.arange(ids.shape[1])
        last_B = torch.tensor([len(trajectory.token_ids) - 1 for trajectory in trajectories])
        first_B = torch.tensor([trajectory.first for trajectory in trajectories])
        mask = column_T <= last_B[:, None]
        rewards = torch.tensor([trajectory.reward for trajectory in trajectories])
        parts = (ids, mask, mask & (column_T >= first_B[:, None]), last_B, rewards)
        return cls(*(part.to(device) for part in parts))


def trajectories_of(group: RolloutGroup) -> list[Trajectory]:
    """The rollouts of `group`; `ValueError` where it does not carry their tokens."""
    if not group.prompt_token_ids or group.token_ids is None:
        raise ValueError(f"the group of prompt {group.prompt_id!r} carries no token ids, which a critic reads")
    prompt = tuple(group.prompt_token_ids)
    rewards = group.rewards_G.tolist()
    return [
        Trajectory(prompt + tuple(completion), len(prompt) - 1, reward) for completion, reward in zip(group.token_ids, rewards, strict=True)
    ]


def parts(trajectories: Sequence[Trajectory]) -> Iterator[list[int]]:
    """Indices into `trajectories`, those of similar length together, such that no padded batch exceeds `MAX_TOKENS`."""
    part: list[int] = []
    for index in sorted(range(len(trajectories)), key=lambda k: len(trajectories[k].token_ids)):
        if part and len(trajectories[index].token_ids) * (len(part) + 1) > MAX_TOKENS:
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def final_hidden(body: nn.Module, batch: Batch, dtype: torch.dtype, **inputs: Tensor) -> Tensor:
    """(B, T, D) float32: the final hidden states of a language model's body for `inputs`, its matrix products computed in `dtype`."""
    with nullcontext() if dtype == torch.float32 else torch.autocast(batch.ids_B_T.device.type, dtype):
        return body(**inputs, attention_mask=batch.mask_B_T, use_cache=False).last_hidden_state.float()


@torch.no_grad()
def state_values(network: nn.Module, trajectories: Sequence[Trajectory]) -> list[Tensor]:
    """For each trajectory (T_i + 1,) float32 on the CPU: what `network`, a map from a `Batch` to (B, T), gives its states."""
    values: dict[int, Tensor] = {}
    for part in parts(trajectories):
        read_B_T = network(Batch.pad([trajectories[k] for k in part], device_of(network))).cpu()
        for k, read_T in zip(part, read_B_T, strict=True):
            values[k] = read_T[trajectories[k].first : len(trajectories[k].token_ids)]
    return [values[k] for k in range(len(trajectories))]


def shuffled(trajectories: Sequence[Trajectory], size: int, generator: torch.Generator) -> Iterator[list[Trajectory]]:
    """The trajectories in a random order, `size` at a time."""
    order = torch.randperm(len(trajectories), generator=generator).tolist()
    for start in range(0, len(order), size):
        yield [trajectories[k] for k in order[start : start + size]]


def descend(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    trajectories: Sequence[Trajectory],
    losses: Callable[[Batch], Tensor],
    count: int,
) -> None:
    """One step of `optimizer` down the mean of the `count` losses that `losses` gives for `trajectories` in all."""
    optimizer.zero_grad()
    for part in parts(trajectories):
        (losses(Batch.pad([trajectories[k] for k in part], device_of(network))).sum() / count).backward()
    nn.utils.clip_grad_norm_(network.parameters(), _MAX_NORM)
    optimizer.step()
