"""Generalised advantage estimation (Schulman et al., 2016; paper, section 3.2) for rewards that come at the end."""

import torch
from scipy.signal import lfilter
from torch import Tensor


def generalized_advantages(values_B_T: Tensor, rewards_B: Tensor, last_B: Tensor, lam: float, gamma: float = 1.0) -> Tensor:
    """(B, T) float32 without gradient: the advantage A_t = sum_k (gamma lam)^k delta_{t+k} at every state of every row.

    delta_t = r_t + gamma V_{t+1} - V_t, where row b has the reward `rewards_B[b]` at its last state, `last_B[b]`, after which V is 0.
    Columns beyond the last state are padding: what they hold is not read, and their advantage is 0. The target of a critic is V + A.
    """
    if not (0 <= lam <= 1 and 0 <= gamma <= 1):
        raise ValueError(f"lam and gamma must be between 0 and 1, not {lam} and {gamma}")
    column_T = torch.arange(values_B_T.shape[1], device=values_B_T.device)
    ended_B_T = column_T > last_B[:, None]
    values_B_T = values_B_T.detach().double().masked_fill(ended_B_T, 0)
    next_B_T = torch.nn.functional.pad(values_B_T[:, 1:], (0, 1))
    rewards_B_T = torch.where(column_T == last_B[:, None], rewards_B.double()[:, None], 0.0)
    delta_B_T = rewards_B_T + gamma * next_B_T - values_B_T
    backwards = lfilter([1.0], [1.0, -gamma * lam], delta_B_T.flip(1).cpu().numpy())
    return torch.from_numpy(backwards).flip(1).to(values_B_T.device, torch.float32)
