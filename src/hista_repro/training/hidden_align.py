"""Hidden-Align (arXiv 2606.03234): an auxiliary loss that draws the correct rollouts of a prompt together just before they answer.

From the abstract and public summaries: the anchor is the position just before the answer's marker, the hidden state is that of the last
layer, and only rollouts verified as correct take part. Form, weight and marker of the loss are not public; these are ours:
z_i is the hidden state from which the first token of the marker is predicted; m_i is the mean of z_j over the other correct rollouts,
taken when they are drawn and kept fixed, so that the loss of a rollout needs no other rollout.

    "cosine": 1 - cos(z_i, m_i)        "l2": ||z_i - m_i||^2 / D

The loss is `weight` times the mean over aligned rollouts: those that are correct, show a marker, and are not the only one of their group.
A truncated one that TRL leaves out of its loss (`mask_truncated_completions`) is a target only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from hista_repro.errors import Refused
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.rollouts.recorded_hidden import decoder_of, recorded_hidden
from hista_repro.seeding import derive_seed
from hista_repro.training.batch import RolloutBatch

CORRECT = 0.5
"""A rollout is correct if its reward is above this."""


@dataclass(frozen=True)
class HiddenAlign:
    """Settings of the loss."""

    weight: float = 0.1
    form: str = "cosine"
    markers: tuple[str, ...] | list[str] = (r"\boxed", "Final Answer", "####", "</think>", "A:")
    """Of the first of these that a completion holds, the last occurrence counts."""
    control: str = "none"
    """Or "random-position": the anchor is any state of the rollout. "wrong-too": as many rollouts, whether correct or not."""

    def __post_init__(self) -> None:
        if self.form not in ("cosine", "l2"):
            raise Refused(f"form must be 'cosine' or 'l2', not {self.form!r}")
        if self.control not in ("none", "random-position", "wrong-too"):
            raise Refused(f"control must be 'none', 'random-position' or 'wrong-too', not {self.control!r}")

    def distance(self, states_B_D: Tensor, targets_B_D: Tensor) -> Tensor:
        """(B,): how far each state is from its target."""
        if self.form == "cosine":
            return 1 - cosine_similarity(states_B_D, targets_B_D, dim=1)
        return (states_B_D - targets_B_D).square().mean(dim=1)


def anchor(text: str, token_ends: Sequence[int], markers: Sequence[str]) -> int | None:
    """The number of tokens before the first one that overlaps the marker; None where no marker is found."""
    start = next((found for marker in markers if (found := text.rfind(marker)) >= 0), None)
    return None if start is None else sum(end <= start for end in token_ends)


@dataclass(frozen=True)
class Anchors:
    """The anchors of one group: those of rollouts that have one."""

    rollouts_M: Tensor
    """Whose they are."""
    tokens_M: Tensor
    """Completion tokens before them."""
    states_M_D: Tensor
    correct_M: Tensor

    @classmethod
    def of(cls, group: RolloutGroup, align: HiddenAlign, generator: torch.Generator) -> Self:
        """The anchors of `group` under the markers and the control of `align`."""
        hidden = group.hidden(-1)
        found = {i: anchor(group.completions[i], group.token_ends[i], align.markers) for i in range(group.size)}
        found = {i: tokens for i, tokens in found.items() if tokens is not None}
        if align.control == "random-position":
            found = {i: int(torch.randint(group.length(i) + 1, (), generator=generator)) for i in found}
        states = [hidden.completions[i][t - 1] if t else hidden.prompt_T_D[-1] for i, t in found.items()]
        rollouts_M = torch.tensor(list(found), dtype=torch.long)
        states_M_D = torch.stack(states) if states else hidden.prompt_T_D.new_zeros(0, hidden.prompt_T_D.shape[1])
        correct_M = group.rewards_G[rollouts_M] > CORRECT
        return cls(rollouts_M, torch.tensor(list(found.values()), dtype=torch.long), states_M_D, correct_M)

    def aligned(self, align: HiddenAlign, generator: torch.Generator) -> Tensor:
        """Which take part in the loss (indices); none where there is but one."""
        chosen = self.correct_M.nonzero()[:, 0]
        if align.control == "wrong-too":
            chosen = torch.randperm(len(self.correct_M), generator=generator)[: len(chosen)].sort().values
        return chosen if len(chosen) > 1 else chosen[:0]

    def similarities(self) -> dict[str, Tensor]:
        """Cosines of pairs, after the mean of all anchors is taken away: raw ones are near 1 for any two states of a prompt."""
        centred_M_D = torch.nn.functional.normalize(self.states_M_D - self.states_M_D.mean(dim=0), dim=1)
        cosines_M_M = centred_M_D @ centred_M_D.T
        other_M_M = ~torch.eye(len(cosines_M_M), dtype=torch.bool, device=cosines_M_M.device)
        right_M = self.correct_M.to(cosines_M_M.device)
        pairs = {
            "correct": right_M[:, None] & right_M,
            "mixed": right_M[:, None] & ~right_M,
            "wrong": ~right_M[:, None] & ~right_M,
        }
        return {name: cosines_M_M[pair & other_M_M] for name, pair in pairs.items()}


class HiddenAlignMixin:
    """Put before a `CreditGRPOTrainer`, adds the loss of `align`; reports it, its share of rollouts, and how similar anchors are."""

    def __init__(self, *args: Any, align: HiddenAlign, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.align = align
        self.reads_hidden = True
        decoder_of(self.accelerator.unwrap_model(self.model))

    def _assess(self, output: dict[str, Any], batch: RolloutBatch) -> None:
        super()._assess(output, batch)
        positions = [0] * len(batch.rows)
        targets: list[Tensor | None] = [None] * len(batch.rows)
        for number, group in enumerate(batch.groups):
            generator = torch.Generator().manual_seed(derive_seed(self.args.seed, "align", group.prompt_id))
            anchors = Anchors.of(group, self.align, generator)
            chosen = anchors.aligned(self.align, generator)
            total_D = anchors.states_M_D[chosen].sum(dim=0)
            for m in chosen.tolist():
                row = number * batch.group_size + int(anchors.rollouts_M[m])
                positions[row] = int(anchors.tokens_M[m])
                targets[row] = (total_D - anchors.states_M_D[m]) / (len(chosen) - 1)
            for name, cosines in anchors.similarities().items():
                self._metrics["train"][f"align/cosine_{name}"].append(cosines.mean().item())
        self._put(output, positions[batch.local], targets[batch.local], batch.groups[0].hidden(-1).prompt_T_D)

    def _put(self, output: dict[str, Any], positions: list[int], targets: list[Tensor | None], like: Tensor) -> None:
        """Into `output`: where the anchors of this process's rows are, their targets, and how many rows of all processes have one."""
        ids = output["completion_ids"]
        start = output["prompt_ids"].shape[1]
        mask_B = torch.tensor([target is not None for target in targets], device=ids.device) & output["completion_mask"].any(dim=1)
        # columns of rows that are not in the loss may be cut
        output["align_position"] = start - 1 + torch.tensor(positions, device=ids.device) * mask_B
        output["align_target"] = torch.stack([like.new_zeros(like.shape[1]) if t is None else t for t in targets]).to(ids.device)
        output["align_mask"] = mask_B
        output["align_count"] = self.accelerator.gather(mask_B.sum()).sum()
        self._metrics["train"]["align/share"].append(self.accelerator.gather(mask_B.float()).mean().item())

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        if "align_mask" not in inputs:
            return super()._compute_loss(model, inputs)
        with recorded_hidden(self.accelerator.unwrap_model(model), gradient=True) as found:
            loss = super()._compute_loss(model, inputs)
        rows = torch.arange(len(inputs["align_position"]), device=inputs["align_position"].device)
        states_B_D = found[0][rows, inputs["align_position"]].float()
        distance = (self.align.distance(states_B_D, inputs["align_target"].float()) * inputs["align_mask"]).sum()
        # The count is that of the generation step over all processes, as TRL counts tokens: every rollout weighs the same.
        steps = self.current_gradient_accumulation_steps / self.args.steps_per_generation
        share = distance * self.accelerator.num_processes / (inputs["align_count"].clamp(min=1) * steps)
        self._metrics["train"]["align/loss"].append(self.accelerator.gather(share.detach()).mean().item())
        return loss + self.align.weight * share
