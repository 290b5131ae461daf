"""PPO's critic in its first epoch (paper, section 4.2, "PPO-1"): V(s) of a critic trained on rollouts of other prompts.

The actor is frozen and the critic trained on stored rollouts, to targets V + A with A from GAE (section 3.2), gamma = 1 and lambda 0.95
or 1.0. Information set: prefix. The row "PPO-1@40" of the paper's tables: 40 is the size of the group, which the critic does not see.

`ppo-1` is the critic that the paper describes, under fair conditions (see `critic`); `ppo-1-authors` the one that their code trains
(see `authors_critic`), which differs in what it reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from hista_repro.estimators.authors_critic import AuthorsCritic
from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.critic import FairCritic
from hista_repro.estimators.trajectories import state_values, trajectories_of
from hista_repro.estimators.validation import check_at_least_one, check_positions
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class FirstEpochCritic(Estimator):
    """PPO-1."""

    information = Information.PREFIX
    learns = True
    trains_model = True
    row: ClassVar[str] = "ppo-1"

    critic: FairCritic | AuthorsCritic = field(default_factory=FairCritic)
    """What is trained, and how."""
    lam: float = 1.0
    """GAE's lambda. Table 1 has 0.95 and 1.0; of its numbers, Table 2 repeats that of 1.0 for PPO-1 and that of 0.95 for PPO-N."""
    model: str = ""
    """The actor's model, with which the critic begins; `for_model` fills it in."""
    rollouts: int | None = None
    """How many rollouts of each prompt the critic learns from, the first ones; None: all."""
    seed: int = 0
    fitted: nn.Module | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.lam <= 1:
            raise ValueError(f"lam must be between 0 and 1, not {self.lam}")
        if self.rollouts is not None:
            check_at_least_one(rollouts=self.rollouts)

    @property
    def name(self) -> str:
        return f"{self.row}-authors" if isinstance(self.critic, AuthorsCritic) else self.row

    def for_model(self, name: str) -> Self:
        return self if self.model else replace(self, model=name)

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        if not self.model:
            raise ValueError(f"model is empty, and {self.name} begins with the actor's; name it by for_model")
        prompts = [trajectories_of(group)[: self.rollouts] for group in groups]
        return replace(self, fitted=self.critic.train(self.model, prompts, self.lam, self.seed, new_prompts=not self.sees_prompts))

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit first")
        trajectories, asked = trajectories_of(group), [i for i, tokens in enumerate(positions) if len(tokens)]
        values = dict(zip(asked, state_values(self.fitted, [trajectories[i] for i in asked]), strict=True))
        return [values[i][list(tokens)] if len(tokens) else torch.zeros(0) for i, tokens in enumerate(positions)]


ESTIMATORS = [FirstEpochCritic(), FirstEpochCritic(critic=AuthorsCritic())]
