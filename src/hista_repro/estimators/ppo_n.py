"""PPO's critic after its first epoch (paper, section 4.2, "PPO-N"): that of `ppo-1`, trained on other rollouts of the same prompts.

So it has met the prompt that it is asked about, with other completions: those by which the prompt was chosen for the benchmark.
Information set: prefix, with parameters from rollouts of the same prompts, so that it may know their difficulty.
"""

from dataclasses import dataclass
from typing import ClassVar

from hista_repro.estimators.authors_critic import AuthorsCritic
from hista_repro.estimators.ppo_1 import FirstEpochCritic


@dataclass(frozen=True)
class LaterEpochCritic(FirstEpochCritic):
    """PPO-N."""

    sees_prompts = True
    row: ClassVar[str] = "ppo-n"


ESTIMATORS = [LaterEpochCritic(), LaterEpochCritic(critic=AuthorsCritic())]
