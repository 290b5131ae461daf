"""No baseline: V(s) = 0 for every state.

The policy gradient is then plain REINFORCE, and with rewards of 0 and 1 that of the likelihood of right answers alone, as in RAFT (arXiv
2304.06767), which arXiv 2504.11343 found close to GRPO. In the tables it shows what an estimator scores that says nothing. Information
set: prefix, of which it uses nothing. A control, not in the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.constant import constant_values
from hista_repro.rollouts.group import RolloutGroup


@dataclass(frozen=True)
class Zero(Estimator):
    """REINFORCE without a baseline."""

    name = "zero"
    information = Information.PREFIX

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        return constant_values(group, positions, torch.zeros(group.size))


ESTIMATORS = [Zero()]
