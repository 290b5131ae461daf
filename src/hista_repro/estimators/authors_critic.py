"""The critic of the authors' code (`ppo_sft`), which its configuration trains for PPO-N: what `ppo-1-authors` and `ppo-n-authors` are.

It never sees a token. The frozen actor's final hidden states are fed to a second copy of its body in place of embeddings, and a linear
head without bias, zero at first, reads the value. Squared error to V + A over every token, those of the prompt too; one epoch, 64
rollouts per update, learning rate 3e-6 after a warm-up of 5%, down to a tenth along a cosine.

Departures: float32 unless `dtype` says otherwise, where theirs computes in bfloat16 even the recursion of GAE; the last update is kept and
all prompts are trained on, where theirs hold out a fifth and name one checkpoint for all. An update moves a weight by hardly more than the
learning rate, so values stay near zero unless there are hundreds of updates, 750 in theirs (2400 problems, 20 rollouts each); with fewer
set `learning_rate`.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from hista_repro.estimators.gae import generalized_advantages
from hista_repro.estimators.trajectories import Batch, Trajectory, descend, final_hidden, shuffled
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.models import load_model
from hista_repro.progress import progress
from hista_repro.seeding import derive_seed

_WARMUP, _LEAST_RATE = 0.05, 0.1


class AuthorsNetwork(nn.Module):
    """(B, T) values of the prefixes of token sequences, from the hidden states of a frozen actor."""

    def __init__(self, actor: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.backbone = deepcopy(actor)
        self.actor = actor.requires_grad_(False)
        self.head = nn.Linear(actor.config.hidden_size, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, batch: Batch) -> Tensor:
        hidden_B_T_D = final_hidden(self.actor, batch, self.dtype, input_ids=batch.ids_B_T)
        return self.head(final_hidden(self.backbone, batch, self.dtype, inputs_embeds=hidden_B_T_D))[..., 0]


@dataclass(frozen=True)
class AuthorsCritic:
    """How the authors train their critic."""

    learning_rate: float = 3e-6
    epochs: int = 1
    batch_size: int = 64
    dtype: torch.dtype = torch.float32
    """Of the matrix products of actor and critic; weights stay in float32, which theirs do not."""

    def __post_init__(self) -> None:
        check_at_least_one(epochs=self.epochs, batch_size=self.batch_size)

    def train(self, model: str, prompts: Sequence[Sequence[Trajectory]], lam: float, seed: int, *, new_prompts: bool) -> AuthorsNetwork:
        """The critic of the actor called `model`, trained on rollouts of `prompts`, whether or not it is meant for `new_prompts`."""
        training = [trajectory for rollouts in prompts for trajectory in rollouts]
        network = AuthorsNetwork(load_model(model)[0].get_decoder(), self.dtype).to("cuda" if torch.cuda.is_available() else "cpu")
        generator = torch.Generator().manual_seed(derive_seed(seed, "critic"))
        updates = self.epochs * ceil(len(training) / self.batch_size)
        trained = [*network.backbone.parameters(), *network.head.parameters()]
        optimizer = torch.optim.AdamW(trained, lr=self.learning_rate, weight_decay=0.0)
        schedule = get_cosine_with_min_lr_schedule_with_warmup(optimizer, ceil(_WARMUP * updates), updates, min_lr_rate=_LEAST_RATE)

        def losses(batch: Batch) -> Tensor:
            values_B_T = network(batch)
            advantages_B_T = generalized_advantages(values_B_T, batch.rewards_B, batch.last_B, lam)
            return (values_B_T - (values_B_T.detach() + advantages_B_T)).square()[batch.mask_B_T]

        with progress(updates, "training the authors' critic", unit="updates") as bar:
            for _ in range(self.epochs):
                for batch in shuffled(training, self.batch_size, generator):
                    descend(network, optimizer, batch, losses, sum(len(trajectory.token_ids) for trajectory in batch))
                    schedule.step()
                    bar.update(1)
        return network
