"""PPO (arXiv 1707.06347), which TRL no longer has: token advantages from a critic that is trained beside the policy.

The critic reads tokens, as the policy does: the policy's body as it was at the start, a linear head and a sigmoid (rewards lie in [0, 1]),
with an optimiser of its own. After each generation step it first values every state, for the policy's advantages, and then learns from
the same rollouts, so its explained variance is measured on rollouts that it has not seen. Options beyond plain PPO:

- GAE with one lambda for the policy and one for the critic's targets, and a first phase in which only the critic learns (VC-PPO,
  arXiv 2503.01491): the policy's advantages are nought.
- a lambda of 1 - 1 / (alpha T) for completions of T tokens (VAPO, arXiv 2504.05118, equation 11).

With several processes each trains the same critic on the rollouts of all: nothing but rollouts is sent, and the work is done several times.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hista_repro.errors import Refused
from hista_repro.estimators.critic import FairNetwork
from hista_repro.estimators.trajectories import Batch, Trajectory, device_of, parts, state_values
from hista_repro.files import write_atomically
from hista_repro.rollouts.recorded_hidden import decoder_of
from hista_repro.seeding import derive_seed
from hista_repro.training.batch import Rollout, RolloutBatch
from hista_repro.training.credit import check_lambda, token_advantages
from hista_repro.training.trainer import CreditGRPOTrainer, check_aggregation

_FILE = "critic.pt"


@dataclass(frozen=True)
class PPOCritic:
    """How advantages are made and the critic is trained."""

    learning_rate: float = 1e-5
    """verl's default for critics; VAPO has 2e-6."""
    head_learning_rate: float = 1e-3
    epochs: int = 1
    """How often the rollouts of a generation step are gone through."""
    batch_size: int = 64
    """Rollouts of one update."""
    actor_lambda: float = 0.95
    """VC-PPO, and PPO's own."""
    critic_lambda: float = 1.0
    """1: the reward itself (VC-PPO)."""
    length_adaptive: float | None = None
    """alpha, 0.05 in VAPO; the policy's lambda then follows the length."""
    clip: float | None = 0.2
    """How far a value may move in one generation step before its loss stops counting on it; None for no limit."""
    pretraining: int = 0
    """Generation steps in which only the critic learns."""
    whiten: bool = True
    """Whether the policy's advantages get mean 0 and standard deviation 1 over the tokens of a generation step."""

    def __post_init__(self) -> None:
        check_lambda(self.actor_lambda)
        check_lambda(self.critic_lambda)
        if min(self.epochs, self.batch_size) < 1 or self.pretraining < 0:
            raise Refused("epochs and batch_size of the critic must be at least 1, and pretraining at least 0")
        if self.length_adaptive is not None and self.length_adaptive <= 0:
            raise Refused(f"length_adaptive must be above 0, not {self.length_adaptive}")

    def lambda_for(self, actions: int) -> float:
        """The policy's lambda for a completion of so many tokens."""
        return self.actor_lambda if self.length_adaptive is None else max(1 - 1 / (self.length_adaptive * actions), 0.0)

    def losses(self, values: Tensor, old_values: Tensor, targets: Tensor) -> Tensor:
        """0.5 max((V - target)^2, (V clipped around the old - target)^2) of each state."""
        squares = (values - targets).square()
        if self.clip is not None:
            clipped = old_values + (values - old_values).clamp(-self.clip, self.clip)
            squares = torch.maximum(squares, (clipped - targets).square())
        return 0.5 * squares


class PPOTrainer(CreditGRPOTrainer):
    """`CreditGRPOTrainer` with a `PPOCritic` in the place of an estimator; reports what it explains under `critic/`."""

    def __init__(self, *args: Any, critic: PPOCritic | None = None, **kwargs: Any) -> None:
        if kwargs.pop("estimator", None) is not None:
            raise Refused("PPO has a critic in the place of an estimator; leave the estimator out")
        shaping = (kwargs.get("gae_lambda", 1.0), kwargs.pop("advantage_scale", None) or "none", kwargs.get("damping"))
        if shaping != (1.0, "none", None):
            raise Refused("gae_lambda, advantage_scale and damping shape the advantages of estimators; those of PPO are set in its critic")
        super().__init__(*args, estimator=None, advantage_scale="none", **kwargs)
        check_aggregation(self.args)
        self.settings = critic or PPOCritic()
        body = deepcopy(decoder_of(self.accelerator.unwrap_model(self.model))).requires_grad_(True)
        self.critic = FairNetwork(body, prior=0.5).to(self.accelerator.device)
        rates = [(self.critic.backbone, self.settings.learning_rate), (self.critic.head, self.settings.head_learning_rate)]
        self.critic_optimizer = torch.optim.AdamW([{"params": part.parameters(), "lr": rate} for part, rate in rates], weight_decay=0.0)
        self.learns = True  # what is drawn is needed on all processes
        self.generations = 0

    def _assess(self, output: dict[str, Any], batch: RolloutBatch) -> None:
        rows, settings = batch.rows, self.settings
        if outside := [row.reward for row in rows if not 0 <= row.reward <= 1]:
            raise ValueError(f"reward_funcs gave {outside[0]}, and the values of the critic are between 0 and 1")
        trajectories = [Trajectory(row.prompt + row.written, len(row.prompt) - 1, row.reward) for row in rows]
        values = [v[: row.actions] for v, row in zip(state_values(self.critic, trajectories), rows, strict=True)]
        for name, share in explained(values, rows, batch.group_size).items():
            self._metrics["train"][f"critic/{name}"].append(share)
        padded_B_T = torch.zeros(output["completion_ids"].shape)
        if self.generations >= settings.pretraining:
            advantages = _advantages(values, rows, [settings.lambda_for(row.actions) for row in rows])
            for row, advantages_A in enumerate((whitened(advantages) if settings.whiten else advantages)[batch.local]):
                padded_B_T[row, : len(advantages_A)] = advantages_A
        output["advantages"] = padded_B_T.to(output["completion_ids"].device)
        returns = _advantages(values, rows, [settings.critic_lambda] * len(rows))
        self._learn(trajectories, values, [v + a for v, a in zip(values, returns, strict=True)])
        self.generations += 1

    def _learn(self, trajectories: Sequence[Trajectory], values: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
        """Train the critic on rollouts whose states it gave `values`."""
        generator = torch.Generator().manual_seed(derive_seed(self.args.seed, "ppo", self.generations))
        for _ in range(self.settings.epochs):
            for chosen in torch.randperm(len(trajectories), generator=generator).split(self.settings.batch_size):
                self._update(*([of[k] for k in chosen.tolist()] for of in (trajectories, values, targets)))

    def _update(self, trajectories: list[Trajectory], values: list[Tensor], targets: list[Tensor]) -> None:
        device, states = device_of(self.critic), sum(map(len, values))
        self.critic_optimizer.zero_grad()
        for part in parts(trajectories):
            read_B_T = self.critic(Batch.pad([trajectories[k] for k in part], device))
            read = torch.cat([read_T[trajectories[k].first :][: len(values[k])] for k, read_T in zip(part, read_B_T, strict=True)])
            old, wanted = (torch.cat([of[k] for k in part]).to(device) for of in (values, targets))
            (self.settings.losses(read, old, wanted).sum() / states).backward()
        nn.utils.clip_grad_norm_(self.critic.parameters(), 1.0)
        self.critic_optimizer.step()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        state = {"critic": self.critic.state_dict(), "optimizer": self.critic_optimizer.state_dict(), "generations": self.generations}
        if self.args.should_save:
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            write_atomically(folder / _FILE, lambda temporary: torch.save(state, temporary))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        state = torch.load(Path(resume_from_checkpoint) / _FILE, map_location=device_of(self.critic), weights_only=True)
        self.critic.load_state_dict(state["critic"])
        self.critic_optimizer.load_state_dict(state["optimizer"])
        self.generations = state["generations"]


def _advantages(values: Sequence[Tensor], rows: Sequence[Rollout], lambdas: Sequence[float]) -> list[Tensor]:
    """The advantage of every token of every row, with a lambda for each row."""
    found = []
    for values_A, row, lam in zip(values, rows, lambdas, strict=True):
        found += token_advantages([values_A], torch.tensor([row.reward]), [row.actions], spacing=1, lam=lam)
    return found


def whitened(advantages: Sequence[Tensor]) -> list[Tensor]:
    """The advantages with mean 0 and standard deviation 1 over all tokens; unchanged but for the mean where they are all equal."""
    everything = torch.cat(list(advantages))
    deviation = everything.std(correction=0)
    return [(a - everything.mean()) / (deviation if deviation > 0 else 1.0) for a in advantages]


def explained(values: Sequence[Tensor], rows: Sequence[Rollout], group_size: int) -> dict[str, float]:
    """Shares of the variance of rewards over states that values explain, NaN where rewards do not vary.

    "explained_variance": 1 - Var(R - V) / Var(R). "explained_within_prompts": the same of what differs within a prompt, which the mean of
    its group cannot explain: about 0 for a critic that has collapsed to that mean.
    """
    errors = [row.reward - values_A for values_A, row in zip(values, rows, strict=True)]
    rewards = [torch.full_like(values_A, row.reward) for values_A, row in zip(values, rows, strict=True)]

    def variation(of: list[Tensor], size: int) -> float:
        """The sum of squared distances to the mean of so many rollouts each; 0, without rounding, where none differ."""
        parts = [torch.cat(of[start : start + size]).double() for start in range(0, len(of), size)]
        return sum(float((part - part.mean()).square().sum()) for part in parts if part.amin() != part.amax())

    def share(size: int) -> float:
        of_rewards = variation(rewards, size)
        return 1 - variation(errors, size) / of_rewards if of_rewards else math.nan

    return {"explained_variance": share(len(rows)), "explained_within_prompts": share(group_size)}
