"""What the distributions say from which tokens were drawn."""

import torch
from torch import Tensor

TOKENS_AT_ONCE = 512
"""Of which distributions over a vocabulary are held in float32 beside the logits."""


def entropies(logits_T_V: Tensor) -> Tensor:
    """(T,) float32, in nats."""
    return torch.distributions.Categorical(logits=logits_T_V.float(), validate_args=False).entropy()  # whose check takes no empty tensor


def score_powers(logits_T_V: Tensor, tokens_T: Tensor) -> Tensor:
    """(T,) float32: the squared norm of the gradient of log pi(token) with respect to its logits, 1 - 2 pi(token) + sum_v pi(v)^2.

    How far a token can move the policy, told without a backward pass (Optimal Token Baseline, arXiv 2602.07078).
    """
    probabilities_T_V = logits_T_V.float().softmax(dim=1)
    taken_T = probabilities_T_V.gather(1, tokens_T[:, None])[:, 0]
    return 1 - 2 * taken_T + probabilities_T_V.square().sum(dim=1)
