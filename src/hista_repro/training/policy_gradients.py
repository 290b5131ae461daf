"""The policy gradient of a group of rollouts for several sets of advantages: one forward pass, and a backward pass for each set."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hista_repro.rollouts.token_distributions import score_powers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TOKENS_AT_ONCE = 1 << 12
"""Of which the distributions over the vocabulary are held; rollouts that have more together are taken in parts."""


def policy_gradients(
    model: "PreTrainedModel",
    prompt: Sequence[int],
    completions: Sequence[Sequence[int]],
    advantages: Sequence[Sequence[Tensor]],
    *,
    temperature: float = 1.0,
) -> Tensor:
    """(E, W): for each of E sets of advantages the gradient of sum_i sum_t A_it log pi(a_it | s_it) / G with respect to all W parameters.

    `completions` are the G rollouts of one prompt as lists of actions, the end-of-sequence token included where it was drawn; a set of
    advantages holds G tensors (A_i,), one number for each action. With advantages that are unbiased this is, in the mean over rollouts, the
    gradient of the expected reward. Raises `ValueError` where advantages and actions differ in number.
    """
    actions_G = [len(completion) for completion in completions]
    for given in advantages:
        if [len(of_rollout) for of_rollout in given] != actions_G:
            raise ValueError(f"advantages are of {[len(of_rollout) for of_rollout in given]} actions, and rollouts of {actions_G}")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    found_E_W = torch.zeros(len(advantages), sum(parameter.numel() for parameter in parameters), device=model.device)
    for rows, logits_B_A_V, ids_B_A in _parts(model, prompt, completions, temperature):
        chosen_B_A = logits_B_A_V.log_softmax(dim=-1).gather(2, ids_B_A[..., None])[..., 0]
        weights = [pad_sequence([given[row].float() for row in rows], batch_first=True).to(model.device) for given in advantages]
        asked = [number for number, weights_B_A in enumerate(weights) if weights_B_A.any()]  # not where all rewards are equal
        for number in asked:
            objective = (weights[number] * chosen_B_A).sum() / len(completions)
            gradients = torch.autograd.grad(objective, parameters, retain_graph=number != asked[-1])
            found_E_W[number] += torch.cat([gradient.flatten() for gradient in gradients])
    return found_E_W


@torch.no_grad()
def action_powers(
    model: "PreTrainedModel", prompt: Sequence[int], completions: Sequence[Sequence[int]], *, temperature: float = 1.0
) -> list[Tensor]:
    """G tensors (A_i,) on the CPU: `token_distributions.score_powers` of every action, how much each can move the policy."""
    found = []
    for rows, logits_B_A_V, ids_B_A in _parts(model, prompt, completions, temperature):
        for row, logits_A_V, ids_A in zip(rows, logits_B_A_V, ids_B_A, strict=True):
            actions = len(completions[row])
            found.append(score_powers(logits_A_V[:actions], ids_A[:actions]).cpu())
    return found


def _parts(
    model: "PreTrainedModel", prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float
) -> Iterator[tuple[range, Tensor, Tensor]]:
    """The rollouts in parts: their numbers, the logits (B, A, V) that their actions were drawn from, and these actions (B, A)."""
    size = max(1, _TOKENS_AT_ONCE // (len(prompt) + max(map(len, completions))))
    for start in range(0, len(completions), size):
        numbers = range(start, min(start + size, len(completions)))
        rows = [torch.tensor([*prompt, *completions[number]]) for number in numbers]
        ids_B_S = pad_sequence(rows, batch_first=True).to(model.device)
        mask_B_S = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(model.device)
        logits_B_S_V = model(input_ids=ids_B_S, attention_mask=mask_B_S, use_cache=False).logits
        yield numbers, logits_B_S_V[:, len(prompt) - 1 : -1].float() / temperature, ids_B_S[:, len(prompt) :]
