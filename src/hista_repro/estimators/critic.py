"""A critic under fair conditions: what `ppo-1` and `ppo-n` are unless told otherwise.

The paper says of its critic that it is initialised from the actor's model and regressed on V + A, with A from GAE (sections 3.2 and
4.2). This one reads the tokens of the state, as the actor does: the actor's body, a linear head and a sigmoid, trained on the states of
the completions, each weighing the same, to the same targets, whose mean minimises the cross-entropy as it does the squared error. It
begins as the constant that is right on average, and of all it becomes in training what is kept is what does best on rollouts held out.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hista_repro.estimators.gae import generalized_advantages
from hista_repro.estimators.trajectories import Batch, Trajectory, descend, final_hidden, shuffled, state_values
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.models import load_model
from hista_repro.progress import progress
from hista_repro.seeding import derive_seed

_WIDTH = 1536
"""Width of Qwen2.5-1.5B."""
_CHECKS_PER_EPOCH = 4
_WARMUP = 20
"""Updates in which the learning rate rises to its full height: the new head first has to point somewhere."""


class FairNetwork(nn.Module):
    """(B, T) values of the prefixes of token sequences: sigmoid of a linear function of the body's final hidden states."""

    def __init__(self, backbone: nn.Module, prior: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.backbone = backbone
        self.dtype = dtype
        self.head = nn.Linear(backbone.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, torch.logit(torch.tensor(prior)).item())

    def logits(self, batch: Batch) -> Tensor:
        return self.head(final_hidden(self.backbone, batch, self.dtype, input_ids=batch.ids_B_T))[..., 0]

    def forward(self, batch: Batch) -> Tensor:
        return self.logits(batch).sigmoid()


@dataclass(frozen=True)
class FairCritic:
    """How the fair critic is trained."""

    learning_rate: float = 1e-5
    """For a body as wide as Qwen2.5-1.5B (verl's default for critics). Narrower ones get as much more as they are narrower, the rule
    under which Adam's best rate holds across widths (Yang et al., 2022, arXiv 2203.03466)."""
    head_learning_rate: float = 1e-3
    """The head is new and linear, and has to get somewhere before the body can follow."""
    epochs: int = 3
    """Long training makes a critic worse again (VC-PPO, arXiv 2503.01491); then an earlier one is kept."""
    batch_size: int = 32
    """Rollouts per update: half the authors' number, for twice the updates, since we have fewer rollouts."""
    held_out: float = 0.2
    """Share of the prompts, or of the rollouts of each, that tells which critic to keep."""
    dtype: torch.dtype = torch.float32
    """Of the body's matrix products; weights stay in float32. bfloat16 takes half the time where the processor has it."""

    def __post_init__(self) -> None:
        check_at_least_one(epochs=self.epochs, batch_size=self.batch_size)
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must be between 0 and 1, not {self.held_out}")

    def train(self, model: str, prompts: Sequence[Sequence[Trajectory]], lam: float, seed: int, *, new_prompts: bool) -> FairNetwork:
        """The critic of the actor called `model`, trained on rollouts of `prompts`.

        What is held out is like what the critic will be asked about: whole prompts if these are to be `new_prompts`, and otherwise
        some rollouts of each. Raises `ValueError` for too few to hold any out, and for rewards outside [0, 1].
        """
        generator = torch.Generator().manual_seed(derive_seed(seed, "critic"))
        training, held_out = _split(prompts, self.held_out, new_prompts, generator)
        if outside := [trajectory.reward for trajectory in training + held_out if not 0 <= trajectory.reward <= 1]:
            raise ValueError(f"rewards_G holds {outside[0]}, and the values of this critic are between 0 and 1")
        backbone = load_model(model)[0].get_decoder()
        prior = sum(trajectory.reward for trajectory in training) / len(training)
        network = FairNetwork(backbone, min(max(prior, 0.01), 0.99), self.dtype).to("cuda" if torch.cuda.is_available() else "cpu")
        best, least = deepcopy(network.state_dict()), _error(network, held_out)
        for _ in self._until_checks(network, training, lam, generator):
            if (error := _error(network, held_out)) < least:
                best, least = deepcopy(network.state_dict()), error
        network.load_state_dict(best)
        return network

    def _until_checks(self, network: FairNetwork, training: list[Trajectory], lam: float, generator: torch.Generator) -> Iterator[None]:
        """Trains, and stops for a check several times per epoch."""

        def losses(batch: Batch) -> Tensor:
            logits_B_T = network.logits(batch)
            values_B_T = logits_B_T.detach().sigmoid()
            targets_B_T = values_B_T + generalized_advantages(values_B_T, batch.rewards_B, batch.last_B, lam)
            return binary_cross_entropy_with_logits(logits_B_T, targets_B_T, reduction="none")[batch.states_B_T]

        rate = self.learning_rate * _WIDTH / network.backbone.config.hidden_size
        heads = {"params": network.head.parameters(), "lr": self.head_learning_rate}
        optimizer = torch.optim.AdamW([{"params": network.backbone.parameters(), "lr": rate}, heads])
        warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: min((update + 1) / _WARMUP, 1.0))
        updates = ceil(len(training) / self.batch_size)
        checks = {round(updates * k / _CHECKS_PER_EPOCH) for k in range(1, _CHECKS_PER_EPOCH + 1)}
        with progress(self.epochs * updates, "training a critic", unit="updates") as bar:
            for _ in range(self.epochs):
                for number, batch in enumerate(shuffled(training, self.batch_size, generator), start=1):
                    descend(network, optimizer, batch, losses, sum(trajectory.states for trajectory in batch))
                    warmup.step()
                    bar.update(1)
                    if number in checks:
                        yield


def _error(network: nn.Module, trajectories: Sequence[Trajectory]) -> float:
    """Mean over states of (R - V)^2: the squared error of V, plus a constant that no critic can do anything about."""
    values = state_values(network, trajectories)
    errors = [(values_T - trajectory.reward).square() for values_T, trajectory in zip(values, trajectories, strict=True)]
    return float(torch.cat(errors).double().mean())


def _split(
    prompts: Sequence[Sequence[Trajectory]], share: float, whole: bool, generator: torch.Generator
) -> tuple[list[Trajectory], list[Trajectory]]:
    """(training, held out): a share of the prompts if `whole`, and otherwise of the rollouts of each, at least one of either."""
    groups = [prompts] if whole else [[[trajectory] for trajectory in rollouts] for rollouts in prompts]
    training, held_out = [], []
    for units in groups:
        if len(units) < 2:
            raise ValueError(f"there are {len(units)} {'prompts' if whole else 'rollouts of a prompt'}, and one has to be held out")
        order = torch.randperm(len(units), generator=generator).tolist()
        count = max(round(share * len(units)), 1)
        held_out += [trajectory for k in order[:count] for trajectory in units[k]]
        training += [trajectory for k in order[count:] for trajectory in units[k]]
    return training, held_out
