"""How noisy the policy gradient is, told without another backward pass.

Of tokens: the square of the gradient of log pi(y) with respect to the logits of a state is w (`rollouts.token_distributions.score_powers`).
So a token with advantage A contributes w A^2, the power, whose mean over what may be drawn in the state is the variance plus the square of
the mean gradient. No baseline that depends on the state alone changes that mean, so on the
same rollouts the estimator with less power has less variance, by just the difference. Where values let the own reward in, the mean
gradient shrinks too, and less power says nothing.

Of parameters: Adam keeps moving averages of the gradient and of its square, and their difference is its variance over recent updates.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from accelerate import DistributedType
from torch import Tensor, nn

from hista_repro.errors import Refused
from hista_repro.rollouts.recorded_hidden import recorded_hidden
from hista_repro.rollouts.token_distributions import TOKENS_AT_ONCE, score_powers
from hista_repro.training.batch import RolloutBatch

if TYPE_CHECKING:
    from torch.optim import Optimizer


def adam_gradient_variance(optimizer: "Optimizer") -> float | None:
    """The variance of an update's gradient, summed over parameters, from the moments of Adam; None where it keeps none, or too few.

    Unbiased where the gradients of recent updates have one mean and one variance. The gradients are those that Adam saw: clipped ones.
    """
    parts = [part for group in optimizer.param_groups for part in _variances(optimizer, group)]
    return float(torch.stack(parts).sum()) if parts else None


def _variances(optimizer: "Optimizer", group: dict[str, Any]) -> Iterator[Tensor]:
    for parameter in group["params"]:
        state = optimizer.state.get(parameter, {})
        if "exp_avg_sq" not in state or (updates := float(state["step"])) < 2:
            continue
        kept_1, kept_2 = (beta**updates for beta in group["betas"])
        first, second = state["exp_avg"] / (1 - kept_1), state["exp_avg_sq"] / (1 - kept_2)
        beta = group["betas"][0]
        # the variance of the first moment as a share of the gradient's: the sum of its squared weights
        share = (1 - beta) * (1 + kept_1) / ((1 + beta) * (1 - kept_1))
        yield (second - first.square()).sum() / (1 - share)


class GradientVarianceMixin:
    """Put before a `CreditGRPOTrainer`, reports the variance of its policy gradient.

    Reported, as sums over a completion's tokens: `gradient/power`, and `gradient/power_loo_mean`, what it would be with the leave-one-out
    mean as the baseline of the same rollouts, on the same scale. `gradient/variance`: see `adam_gradient_variance`.

    Raises `Refused` where a process holds a part of the weights only.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
            raise Refused(
                "gradient_variance needs the whole head of the model on each process; run without DeepSpeed and FSDP, or set it to false"
            )

    def _assess(self, output: dict[str, Any], batch: RolloutBatch) -> None:
        super()._assess(output, batch)
        size = self.num_generations
        if output["advantages"].ndim == 1:  # TRL's own: the distance to the mean of the whole group
            output["loo_advantages"] = output["advantages"] * size / (size - 1)
            return
        rewards_P_G = torch.tensor([row.reward for row in batch.rows]).view(-1, size)
        advantages_B = (rewards_P_G - rewards_P_G.mean(dim=1, keepdim=True)).flatten()[batch.local] * size / (size - 1)
        output["loo_advantages"] = (advantages_B / self._scales()).to(output["advantages"])

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        if "loo_advantages" not in inputs:
            return super()._compute_loss(model, inputs)
        unwrapped = self.accelerator.unwrap_model(model)
        with recorded_hidden(unwrapped) as found:
            loss = super()._compute_loss(model, inputs)
        powers_B_T = self._powers(unwrapped.get_output_embeddings(), found[0], inputs)
        advantages = inputs["advantages"] if inputs["advantages"].ndim == 2 else inputs["advantages"][:, None]
        for name, used in {"power": advantages, "power_loo_mean": inputs["loo_advantages"][:, None]}.items():
            power = (powers_B_T * used.square()).sum(dim=1)
            self._metrics["train"][f"gradient/{name}"].append(self.accelerator.gather(power).mean().item())
        return loss

    @torch.no_grad()
    def _powers(self, head: nn.Module, hidden_B_S_D: Tensor, inputs: dict[str, Any]) -> Tensor:
        """(B, T): `score_powers` of the tokens in the loss, 0 for all others."""
        mask_B_T = (inputs["completion_mask"] * inputs.get("tool_mask", 1)).bool()
        start = inputs["prompt_ids"].shape[1]
        states_N_D, tokens_N = hidden_B_S_D[:, start - 1 : -1][mask_B_T], inputs["completion_ids"][mask_B_T]
        powers_B_T = torch.zeros(mask_B_T.shape, device=mask_B_T.device)
        parts = zip(states_N_D.split(TOKENS_AT_ONCE), tokens_N.split(TOKENS_AT_ONCE), strict=True)
        with self.accelerator.autocast():
            powers = [score_powers(head(states_N_D).float() / self.temperature, tokens_N) for states_N_D, tokens_N in parts]
        powers_B_T[mask_B_T] = torch.cat(powers) if powers else powers_B_T.new_zeros(0)
        return powers_B_T

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self.model.training and (variance := adam_gradient_variance(self.optimizer)) is not None:
            self._metrics["train"]["gradient/variance"].append(variance)
        super().log(logs, start_time)
