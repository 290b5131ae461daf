"""GSPO-token (arXiv 2507.18071, equations 13 to 15), which TRL removed: GSPO's ratio of whole sequences, with an advantage for every token.

GSPO's ratio is s = (pi(y) / pi_old(y))^(1/|y|), one for a completion, so the gradient of its loss is the mean of the token advantages
times the gradient of s: token-level credit is averaged away. GSPO-token puts s_t = sg[s] pi_t / sg[pi_t] in its place. It has the value
of s, and the gradient that reaches token t is that token's own advantage times s. With equal advantages both gradients are the same.
"""

from typing import Any

from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.training.trainer import CreditGRPOTrainer


def gspo_token_references(log_probs_B_T: Tensor, old_log_probs_B_T: Tensor, mask_B_T: Tensor) -> Tensor:
    """(B, T) without gradient: what, in the place of old log-probabilities, makes a ratio of tokens that of GSPO-token.

    exp(log pi_t - reference_t) = sg[s] pi_t / sg[pi_t] for reference_t = sg[log pi_t] - sg[log s].
    """
    log_probs_B_T = log_probs_B_T.detach()
    log_ratio_B_T = (log_probs_B_T - old_log_probs_B_T) * mask_B_T
    log_sequence_ratio_B = log_ratio_B_T.sum(dim=1) / mask_B_T.sum(dim=1).clamp(min=1)
    return log_probs_B_T - log_sequence_ratio_B[:, None]


class GSPOTokenTrainer(CreditGRPOTrainer):
    """`CreditGRPOTrainer` whose ratios are GSPO-token's: TRL's loss of tokens with other old log-probabilities."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.importance_sampling_level != "token":
            raise Refused(f"importance_sampling_level must be 'token' for GSPO-token, not {self.importance_sampling_level!r}")
        self._loss_inputs: dict[str, Any] | None = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        self._loss_inputs = dict(inputs)
        try:
            return super()._compute_loss(model, self._loss_inputs)
        finally:
            self._loss_inputs = None

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        log_probs_B_T, entropies, aux_loss = super()._get_per_token_logps_and_entropies(model, *args, **kwargs)
        if (inputs := self._loss_inputs) is not None:  # TRL's loss reads the old log-probabilities after it has called this
            mask_B_T = inputs["completion_mask"] * inputs.get("tool_mask", 1)
            old_B_T = inputs.get("old_per_token_logps", log_probs_B_T.detach())
            inputs["old_per_token_logps"] = gspo_token_references(log_probs_B_T, old_B_T, mask_B_T)
        return log_probs_B_T, entropies, aux_loss
