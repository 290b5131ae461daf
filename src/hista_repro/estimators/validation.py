"""What estimators ask of their arguments."""

from collections.abc import Sequence
from math import isfinite
from numbers import Integral

import torch
from torch import Tensor

from hista_repro.estimators.base import Positions
from hista_repro.rollouts.group import HiddenStates, RolloutGroup


def check_positions(group: RolloutGroup, positions: Positions) -> None:
    """`ValueError` unless `positions` names states of `group`."""
    if len(positions) != group.size:
        raise ValueError(f"positions has {len(positions)} entries for {group.size} completions")
    for i, tokens in enumerate(positions):
        if outside := [t for t in tokens if not 0 <= t <= group.length(i)]:
            raise ValueError(f"positions[{i}] holds {outside[0]}, which is outside 0..{group.length(i)}")


def check_siblings(size: int) -> None:
    """`ValueError` for a group of one, where the other rollouts are asked for."""
    if size < 2:
        raise ValueError(f"rewards_G holds {size} reward, and a rollout that is left out needs at least one other")


def check_at_least_one(**settings: int) -> None:
    """`ValueError` for a setting that is no integer or below 1."""
    for name, value in settings.items():
        if not isinstance(value, Integral):
            raise ValueError(f"{name} must be an integer, not {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")


def check_alpha(alpha: float) -> None:
    """`ValueError` for a smoothing factor outside [0, 1)."""
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha must be at least 0 and below 1, not {alpha}")


def check_kappa(kappa: float) -> None:
    """`ValueError` for a number of rollouts, that a value counts for, below 0 or not finite."""
    if not (isfinite(kappa) and kappa >= 0):
        raise ValueError(f"kappa must be a number of rollouts, 0 or more, not {kappa}")


def check_hidden(hidden: Sequence[Tensor], rewards_G: Tensor) -> None:
    """`ValueError` unless `hidden` holds one finite (T_i, D) tensor for each of the finite rewards, with one D."""
    if len(hidden) == 0:
        raise ValueError("hidden: the group is empty")
    if tuple(rewards_G.shape) != (len(hidden),):
        raise ValueError(f"rewards_G has shape {tuple(rewards_G.shape)} for {len(hidden)} rollouts in hidden")
    if not torch.isfinite(rewards_G).all():
        raise ValueError(f"rewards_G holds a value that is not finite: {rewards_G.tolist()}")
    for i, hidden_T_D in enumerate(hidden):
        check_finite_rows(f"hidden[{i}]", hidden_T_D, hidden[0].shape[-1])


def hidden_of_group(group: RolloutGroup, layer: int) -> HiddenStates:
    """The hidden states of `group`; `ValueError` for some that are not finite or not as long as the completions."""
    hidden = group.hidden(layer)
    check_hidden(hidden.completions, group.rewards_G)
    for i, hidden_T_D in enumerate(hidden.completions):
        if len(hidden_T_D) != group.length(i):
            raise ValueError(f"hidden_of({layer}) has {len(hidden_T_D)} rows for the {group.length(i)} tokens of completion {i}")
    return hidden


def check_finite_rows(name: str, rows_T_D: Tensor, depth: int | None = None) -> None:
    """`ValueError` unless `rows_T_D` is a finite (T, D) tensor, with `depth` as D if it is given."""
    if rows_T_D.ndim != 2 or depth not in (None, rows_T_D.shape[1]):
        raise ValueError(f"{name} has shape {tuple(rows_T_D.shape)}, not (tokens, {'hidden size' if depth is None else depth})")
    if rows_T_D.numel() and not torch.isfinite(torch.stack(rows_T_D.aminmax())).all():
        row = int((~torch.isfinite(rows_T_D)).any(dim=1).nonzero()[0])
        raise ValueError(f"{name} holds {rows_T_D[row][~torch.isfinite(rows_T_D[row])][0].item()} in row {row}")
