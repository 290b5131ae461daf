"""What an estimator may ask of the policy about rollouts that were just drawn: hidden states, entropies, score powers, continuations."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from trl.models.utils import disable_gradient_checkpointing

from hista_repro.rollouts.recorded_hidden import recorded_hidden
from hista_repro.rollouts.token_distributions import TOKENS_AT_ONCE, score_powers
from hista_repro.training.batch import Rollout
from hista_repro.training.continuations import draw_continuations
from hista_repro.training.credit import node_positions

if TYPE_CHECKING:
    from hista_repro.training.trainer import CreditGRPOTrainer


class PolicyReader:
    """Reads the policy of `trainer` over its `rows`, which `output` holds as TRL lays them out: [padding | prompt | completion | padding].

    `shown` are the hidden states (B, S, D) of the last layer, where passes of TRL's over the same tokens have shown them already. While
    completions are written, nothing reads the last token of the longest ones, so that column may be missing.
    """

    def __init__(self, trainer: "CreditGRPOTrainer", output: dict[str, Any], rows: Sequence[Rollout], shown: Tensor | None) -> None:
        self.trainer = trainer
        self.rows = rows
        self._shown = shown
        self._ids = torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1)
        self._start = output["prompt_ids"].shape[1]
        actions_B = torch.tensor([row.actions for row in rows], device=self._ids.device)
        drawn_B_T = torch.arange(self._ids.shape[1] - self._start, device=self._ids.device) < actions_B[:, None]
        # TRL's own mask of completions hides truncated ones where it is told to leave them out of the loss.
        self._mask = torch.cat([output["prompt_mask"], drawn_B_T.to(output["prompt_mask"])], dim=1)

    def hidden(self, layer: int) -> list[tuple[Tensor, Tensor]]:
        """For each row the hidden states of its prompt (P, D) and of `written` (T, D), float32.

        An estimator that learns keeps what it has seen, so for such a one they are on the CPU.
        """
        everyone = range(len(self.rows))
        hidden_B_S_D = self._completed(self._shown) if layer == -1 and self._shown is not None else self._forward(layer, everyone)
        hidden_B_S_D = hidden_B_S_D.float().to("cpu" if self.trainer.learns else hidden_B_S_D.device)
        start = self._start
        return [
            (hidden_S_D[start - len(row.prompt) : start], hidden_S_D[start : start + len(row.written)])
            for hidden_S_D, row in zip(hidden_B_S_D, self.rows, strict=True)
        ]

    @torch.no_grad()
    def entropies(self) -> list[Tensor]:
        """For each row the entropies (T,) in nats of the distributions that `written` was drawn from."""
        trainer, kept = self.trainer, self._ids.shape[1] - self._start
        with self._timed(), self._without_checkpointing():
            _, entropies_B_T, _ = trainer._get_per_token_logps_and_entropies(
                *(trainer.model, self._ids, self._mask, kept, trainer.args.per_device_train_batch_size), compute_entropy=True
            )
        return [entropies_T[: len(row.written)].float().cpu() for entropies_T, row in zip(entropies_B_T, self.rows, strict=True)]

    @torch.no_grad()
    def score_powers(self) -> list[Tensor]:
        """For each row the score powers (T,) of `written` (`token_distributions.score_powers`)."""
        kept, found = self._ids.shape[1] - self._start, []
        for part, output in self._passes(range(len(self.rows)), logits_to_keep=kept + 1):
            for logits_T_V, row in zip(output.logits, (self.rows[number] for number in part), strict=True):
                tokens_T = torch.tensor(row.written, device=logits_T_V.device).long()
                parts = zip(logits_T_V[: len(tokens_T)].split(TOKENS_AT_ONCE), tokens_T.split(TOKENS_AT_ONCE), strict=True)
                powers = [score_powers(logits_t_V.float() / self.trainer.temperature, tokens_t) for logits_t_V, tokens_t in parts]
                found.append(torch.cat(powers).cpu())
            del output, logits_T_V  # before the next pass
        return found

    def draws(self, count: int) -> list[dict[int, Tensor]]:
        """For each row and each of its nodes, by the number of tokens before it, the rewards (count,) of fresh continuations."""
        positions = node_positions([row.actions for row in self.rows], self.trainer.node_spacing)
        return draw_continuations(self.trainer, self.rows, positions, count)

    def release(self) -> None:
        """Let go of `shown`: what is asked from now on takes a pass of its own."""
        self._shown = None

    def _completed(self, shown_B_S_D: Tensor) -> Tensor:
        """`shown_B_S_D`, in which rows whose last token is missing are read anew."""
        missing = [number for number, row in enumerate(self.rows) if self._start + len(row.written) > shown_B_S_D.shape[1]]
        if not missing:
            return shown_B_S_D
        padded_B_S_D = pad(shown_B_S_D, (0, 0, 0, self._ids.shape[1] - shown_B_S_D.shape[1]))
        padded_B_S_D[missing] = self._forward(-1, missing).to(padded_B_S_D)
        return padded_B_S_D

    @torch.no_grad()
    def _forward(self, layer: int, rows: Sequence[int]) -> Tensor:
        """(len(rows), S, D): hidden states of `layer` from a pass of our own. The head sees one token of each row."""
        with recorded_hidden(self.trainer.accelerator.unwrap_model(self.trainer.model), layer) as found:
            for _ in self._passes(rows, logits_to_keep=1, output_hidden_states=layer != -1):
                pass
        return torch.cat(found)

    def _passes(self, rows: Sequence[int], **options: Any) -> Iterator[tuple[list[int], Any]]:
        """Rows that were read together, and what the model said."""
        positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
        trainer = self.trainer
        with self._timed(), self._without_checkpointing(), trainer.accelerator.autocast():
            for part in torch.tensor(rows).split(trainer.args.per_device_train_batch_size):
                read = {"input_ids": self._ids[part], "attention_mask": self._mask[part], "position_ids": positions[part]}
                yield part.tolist(), trainer.model(**read, use_cache=False, **options)

    def _without_checkpointing(self) -> Any:
        return disable_gradient_checkpointing(self.trainer.model, self.trainer.args.gradient_checkpointing_kwargs)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = now()
        yield
        self.trainer._metrics["train"]["credit/forward_seconds"].append(now() - started)


def now() -> float:
    """Seconds, once the accelerator has done what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()
