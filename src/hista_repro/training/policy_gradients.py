"""The policy gradient of a group of rollouts for several sets of advantages: one forward pass, and a backward pass for each set.

And how large the gradient of each rollout's log-probability is, told from the same pass.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hista_repro.training.gradient_variance import score_powers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class GroupGradients:
    """The gradients of G rollouts of one prompt with respect to the W parameters of `model`, after one forward pass.

    `completions` are lists of actions, the end-of-sequence token included where it was drawn.
    """

    def __init__(
        self, model: "PreTrainedModel", prompt: Sequence[int], completions: Sequence[Sequence[int]], *, temperature: float = 1.0
    ) -> None:
        self._actions_G = [len(completion) for completion in completions]
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        rows = [torch.tensor([*prompt, *completion]) for completion in completions]
        ids_G_S = pad_sequence(rows, batch_first=True).to(model.device)
        mask_G_S = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(model.device)
        self._logits_G_A_V = model(input_ids=ids_G_S, attention_mask=mask_G_S).logits[:, len(prompt) - 1 : -1].float() / temperature
        self._ids_G_A = ids_G_S[:, len(prompt) :]
        self._chosen_G_A = self._logits_G_A_V.log_softmax(dim=-1).gather(2, self._ids_G_A[..., None])[..., 0]

    def powers(self) -> Tensor:
        """(G,) the sum over actions of `gradient_variance.score_powers`: how much each rollout can move the policy."""
        rows = zip(self._logits_G_A_V.detach(), self._ids_G_A, self._actions_G, strict=True)
        return torch.stack([score_powers(logits_A_V[:count], ids_A[:count]).sum() for logits_A_V, ids_A, count in rows]).cpu()

    def of(self, advantages: Sequence[Sequence[Tensor]]) -> Iterator[Tensor]:
        """For each set of advantages the gradient (W,) of sum_i sum_t A_it log pi(a_it | s_it) / G; can be asked for once.

        A set holds G tensors (A_i,), one number for each action. With advantages that are unbiased this is, in the mean over rollouts, the
        gradient of the expected reward. Raises `ValueError` where advantages and actions differ in number.
        """
        for given in advantages:
            if [len(of_rollout) for of_rollout in given] != self._actions_G:
                raise ValueError(
                    f"advantages are of {[len(of_rollout) for of_rollout in given]} actions, and rollouts of {self._actions_G}"
                )
        for left, given in enumerate(advantages, start=1 - len(advantages)):
            padded_G_A = pad_sequence([of_rollout.float() for of_rollout in given], batch_first=True).to(self._chosen_G_A.device)
            if not padded_G_A.any():  # as where all rewards are equal
                yield padded_G_A.new_zeros(sum(parameter.numel() for parameter in self._parameters))
                continue
            objective = (padded_G_A * self._chosen_G_A).sum() / len(given)
            gradients = torch.autograd.grad(objective, self._parameters, retain_graph=left < 0)
            yield torch.cat([gradient.flatten() for gradient in gradients])
