"""What an estimator is: a name, what it may look at, and a value for every state that it is asked about."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from torch import Tensor

from hista_repro.rollouts.group import RolloutGroup

Positions = Sequence[Sequence[int]]
"""For each rollout i of a group, the token counts t of the states (i, t) whose values are asked for; 0 <= t <= T_i, in any order."""


class Information(StrEnum):
    """What an estimator may look at. Rows of a table are comparable only inside one set."""

    PREFIX = "prefix"
    """The state only, with parameters fitted on other answers: to other prompts, or, of `ppo-n`, to the same ones."""
    SIBLINGS = "siblings"
    """The state, and the other G-1 rollouts with their rewards."""
    OWN_RETURN = "own-return"
    """The above, and the rollout's own reward or future: a biased baseline for the policy gradient."""
    EXTRA_SAMPLES = "extra-samples"
    """Fresh continuations of the state."""

    @property
    def unbiased(self) -> bool:
        """Whether a baseline from this set leaves the policy gradient unbiased.

        That is, of rollouts that are all trained on. Where the own reward decides with the others whether a group is kept, as in dynamic
        sampling, values that differ from state to state bias the gradient whatever their set; see `training.dynamic_sampling`.
        """
        return self is not Information.OWN_RETURN


class Estimator(ABC):
    """Values of states. The object that SVEB scores is the object that the trainer trains with.

    A concrete estimator is a frozen dataclass whose fields are its hyper-parameters, in a module of this package (or of a plugin) that
    lists the instances to offer in `ESTIMATORS`.
    """

    name: str
    information: Information
    reads_hidden: bool = False
    """Whether `values` asks the group for hidden states."""
    draws: int = 0
    """Fresh continuations of each state that `values` asks the group for."""
    learns: bool = False
    """Whether `fit` must be called before `values`."""
    trains_model: bool = False
    """Whether `fit` trains a neural network, which takes minutes to hours: such an estimator is scored only where it is named."""
    node_spacing: int | None = None
    """Tokens from one of the states to the next whose values are baselines in training; None: by the length of the answers."""
    sees_prompts: bool = False
    """Whether it learns from other rollouts of the prompts that it is asked about, and not from other prompts."""

    @abstractmethod
    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        """One float32 tensor per rollout of `group`, with the value of each of its `positions`.

        Raises `ValueError`, naming argument and value, for a group that the estimator cannot work with.
        """

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        """An estimator fitted on `groups`: of prompts that it will not be asked about, or, if it `sees_prompts`, of other rollouts."""
        return self

    def for_length(self, tokens: int) -> Self:
        """The same estimator with its spacing in tokens adapted to completions of typically `tokens` tokens.

        The paper's spacings suit completions of about a thousand tokens; estimators that have none return themselves.
        """
        return self

    def for_model(self, name: str) -> Self:
        """The same estimator for rollouts of the model called `name` (see `models.resolve_model`).

        Estimators that look at nothing but the rollouts return themselves.
        """
        return self
