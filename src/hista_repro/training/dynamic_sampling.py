"""GRPO that draws more prompts than it trains on and keeps the groups with the most mixed rewards.

DAPO (arXiv 2503.14476, section 3.2) draws prompts until enough groups are neither all right nor all wrong. Here, as in the authors' code
for the paper, a fixed multiple is drawn in one go and the groups with the largest variance of rewards are kept: for rewards of 0 and 1
those nearest to an accuracy of one half, wherever they were drawn. So a step always costs the same, and may keep a group without variance
where all are easy.

Which groups are kept depends on every reward in them, the own one included, so a baseline that is unbiased over all groups need not be so
over those that are kept. For rewards of 0 and 1, let c(k) be the chance that a group with k right answers is kept. What a state with the
baseline V adds to the gradient, beside m right answers of the others, is c(m + 1) (1 - V) + c(m) V times what it adds over all groups.
Where V is one number for all states, as the mean of the others' rewards is, so is this factor: prompts weigh differently, and the
direction within each is right. Where V differs from state to state, even as the true value does, states weigh differently too, and the
gradient is biased.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Sampler
from trl import GRPOTrainer

from hista_repro.errors import Refused


@dataclass(frozen=True)
class Sampled:
    """What was drawn in a generation step, by one process or by all: B completions, group after group."""

    inputs: list[dict[str, Any]]
    """Rows of the data set."""
    completions: list[list[int]]
    """Token ids, the end-of-sequence token included."""
    rewards_B: Tensor
    """Weighted sums of what the reward functions gave."""
    rows_B: Tensor
    """Their places among what was drawn."""

    def take(self, rows: Tensor) -> Self:
        chosen = rows.tolist()
        inputs, completions = [self.inputs[row] for row in chosen], [self.completions[row] for row in chosen]
        return type(self)(inputs, completions, self.rewards_B[rows], self.rows_B[rows])


class DynamicSamplingTrainer(GRPOTrainer):
    """`GRPOTrainer` with `oversampling`: how many prompts are drawn for each that is trained on.

    After each generation step `sampled` is what this process keeps. Raises `ValueError` where no reward function gave a number.
    """

    def __init__(self, *args: Any, oversampling: int = 1, **kwargs: Any) -> None:
        if oversampling < 1:
            raise Refused(f"oversampling must be 1 or more prompts drawn per prompt trained on, not {oversampling}")
        self.oversampling = oversampling
        super().__init__(*args, **kwargs)
        if oversampling > 1 and isinstance(self.train_dataset, IterableDataset):
            raise Refused("oversampling needs a train_dataset with a length; load it without streaming, or set oversampling to 1")

    def get_train_dataloader(self) -> Any:
        if self.oversampling == 1:
            return super().get_train_dataloader()
        return self._get_dataloader(
            dataset=self.train_dataset,
            description="Training",
            batch_size=self._train_batch_size * self.args.steps_per_generation * self.oversampling,
            sampler_fn=self._get_train_sampler,
            is_training=True,
        )

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Sampler:
        sampler = super()._get_train_sampler(dataset)
        sampler.batch_size *= self.oversampling  # distinct prompts of one generation step
        return sampler

    def _calculate_rewards(self, inputs: list, prompts: list, completions: list, completion_ids_list: list[list[int]]) -> Tensor:
        rewards_per_function = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        first = self.accelerator.process_index * len(prompts)
        rewards_B = self._summed(rewards_per_function)[first : first + len(prompts)]
        self.sampled = Sampled(inputs, completion_ids_list, rewards_B, torch.arange(len(inputs), device=rewards_B.device))
        return rewards_per_function

    def _summed(self, rewards_B_F: Tensor) -> Tensor:
        """(B,): the weighted sum of what the F reward functions gave, those left out that gave NaN.

        Raises `ValueError` where all of them did.
        """
        if unscored := int(rewards_B_F.isnan().all(dim=1).sum()):
            names = ", ".join(self.reward_func_names)
            raise ValueError(f"reward_funcs ({names}) gave NaN or None for {unscored} completions; return a number for each")
        return (rewards_B_F * self.reward_weights.to(rewards_B_F)).nansum(dim=1)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        if self.oversampling == 1 or not self.model.training:
            return output
        if self.accelerator.num_processes > 1:
            output = self._gather(output)
        drawn = len(self.sampled.inputs)
        kept_B = self._most_mixed(drawn // self.num_generations // self.oversampling)
        local = len(kept_B) // self.accelerator.num_processes
        mine_B = kept_B[self.accelerator.process_index * local :][:local]
        self.sampled = self.sampled.take(mine_B)
        output = {name: value[mine_B] if _has_rows(value, drawn) else value for name, value in output.items()}
        loss_mask_B_T = output["completion_mask"] * output.get("tool_mask", 1)
        output["num_items_in_batch"] = self.accelerator.gather(loss_mask_B_T.sum()).sum()  # tokens that are dropped count for nothing
        return output

    def _gather(self, output: dict[str, Any]) -> dict[str, Any]:
        """What all processes drew, in their order, and `sampled` likewise: kept groups are shared out anew, since one may have none."""
        sampled, rows = self.sampled, len(self.sampled.inputs)
        rewards_B = self.accelerator.gather(sampled.rewards_B)
        rows_B = torch.arange(len(rewards_B), device=rewards_B.device)
        self.sampled = Sampled(gather_object(sampled.inputs), gather_object(sampled.completions), rewards_B, rows_B)
        return {name: self._padded_everywhere(name, value) if _has_rows(value, rows) else value for name, value in output.items()}

    def _padded_everywhere(self, name: str, value: Tensor) -> Tensor:
        """The rows of all processes, with the padding of the widest: prompts end, and completions begin, in the same column."""
        if value.ndim > 1:
            padding = {"pad_index": self._tokenizer.pad_token_id if name.endswith("_ids") else 0, "pad_first": name.startswith("prompt_")}
            value = self.accelerator.pad_across_processes(value, dim=1, **padding)
        return self.accelerator.gather(value.contiguous())

    def _most_mixed(self, count: int) -> Tensor:
        """The rows of the `count` groups with the largest variance, in their order; logs the share of these that has any."""
        rewards_P_G = self.sampled.rewards_B.view(-1, self.num_generations)
        kept_P = most_mixed(rewards_P_G, count)
        mixed_P = rewards_P_G[kept_P].var(dim=1, correction=0) > 0
        self._metrics["train"]["dynamic_sampling/mixed_groups"].append(mixed_P.float().mean().item())
        return self.sampled.rows_B.view(rewards_P_G.shape)[kept_P].flatten()


def most_mixed(rewards_P_G: Tensor, count: int) -> Tensor:
    """(count,): which groups have the largest variance of rewards, in their order; of equal ones the first."""
    return rewards_P_G.var(dim=1, correction=0).argsort(descending=True, stable=True)[:count].sort().values


def _has_rows(value: Any, rows: int) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and len(value) == rows
