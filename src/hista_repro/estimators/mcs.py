"""Monte-Carlo sampling: V(s) = mean reward of k fresh continuations of s (the paper's rows "MCS@1" to "MCS@3").

Information set: extra-samples. The draws are never those of the reference, as they are in the released code, which takes k of the 20
reference rewards without replacement and so prints an error that shrinks to zero at k = 20.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.validation import check_positions
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class MonteCarlo(Estimator):
    """MCS@k."""

    draws: int
    """k, the number of continuations."""

    information = Information.EXTRA_SAMPLES

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws must be 1 continuation or more, not {self.draws}")

    @property
    def name(self) -> str:
        return f"mcs-{self.draws}"

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        check_positions(group, positions)
        if group.continue_from is None:
            raise ValueError(f"continue_from is None for prompt {group.prompt_id!r}, and {self.name} samples continuations")
        result = []
        for i, tokens in enumerate(positions):
            means = [group.continue_from(i, t, self.draws).double().mean() for t in tokens]
            result.append(torch.tensor(means, dtype=torch.float32))
        return result


ESTIMATORS = [MonteCarlo(1), MonteCarlo(2), MonteCarlo(3)]
