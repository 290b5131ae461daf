"""The exponential moving average that shortens a rollout's hidden states to one row every `interval` tokens (paper, section 5.2)."""

import torch
from torch import Tensor

from hista_repro.estimators.validation import check_alpha, check_at_least_one, check_finite_rows

_NEGLIGIBLE = 2.0**-30  # a weight that float32 sums no longer see


def smooth(hidden_T_D: Tensor, alpha: float = 0.7, interval: int = 5) -> Tensor:
    """The rows e_1, e_2, ... of a rollout: (T // interval, D), float32.

    Row i-1 is the exponential moving average at token i * interval (1-based): ema_1 = x_1, ema_t = alpha ema_{t-1} + (1 - alpha) x_t.
    With alpha = 0 it is the hidden state itself. The paper keeps alpha = 0.7 and interval = 5 (appendix E); tokens after the last full
    interval are in no row.

    Raises `ValueError` for an alpha outside [0, 1), an interval that is no integer or below 1, or a tensor that is not (T, D) or not
    finite.
    """
    check_alpha(alpha)
    check_at_least_one(interval=interval)
    check_finite_rows("hidden_T_D", hidden_T_D)
    return moving_average(hidden_T_D, alpha, first=interval, interval=interval)


def moving_average(hidden_T_D: Tensor, alpha: float, *, first: int, interval: int) -> Tensor:
    """The exponential moving average at tokens first, first + interval, ... (1-based, first <= interval), one float32 row each.

    Every row first adds up the tokens since the row before it; then the rows before it are carried forward, twice as many with every
    step, until their weight no longer counts. Callers check states and settings, so that no state is checked twice.
    """
    rows = max(0, (len(hidden_T_D) - first) // interval + 1)
    if rows == 0:
        return hidden_T_D.new_zeros(0, hidden_T_D.shape[1], dtype=torch.float32)
    tokens_T_D = hidden_T_D[: first + (rows - 1) * interval].float()
    average_R_D = torch.zeros(rows, tokens_T_D.shape[1], device=tokens_T_D.device)
    average_R_D[0] = alpha**first * tokens_T_D[0]
    for age in range(interval):
        row = 0 if age < first else 1  # the first row that has a token of this age
        average_R_D[row:].add_(tokens_T_D[first - 1 - age + row * interval :: interval], alpha=(1 - alpha) * alpha**age)
    decay, step, spare_R_D = alpha**interval, 1, torch.empty_like(average_R_D)
    while step < rows and decay > _NEGLIGIBLE:
        spare_R_D[:step] = average_R_D[:step]
        torch.add(average_R_D[step:], average_R_D[:-step], alpha=decay, out=spare_R_D[step:])
        average_R_D, spare_R_D = spare_R_D, average_R_D
        decay, step = decay**2, 2 * step
    return average_R_D
