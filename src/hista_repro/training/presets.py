"""The algorithms of the paper's comparisons, as settings of TRL's loss and of ours. Every value has its source beside it.

Rewards, batch sizes, learning rates and the like are not here but in a run's configuration: they are the same for all arms of a comparison.
With an estimator the advantages are those of `training.credit`, divided as the run's `advantage_scale` says; `scale_rewards`, which
`CreditGRPOTrainer` follows unless it is told, counts where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hista_repro.training.gspo_token import GSPOTokenTrainer
from hista_repro.training.ppo import PPOTrainer
from hista_repro.training.trainer import CreditGRPOTrainer

_COMMON = {
    "beta": 0.0,  # no KL term: "we will exclude the KL term" (DAPO, section 2.3); none in the authors' recipes
    "importance_sampling_level": "token",
    "mask_truncated_completions": False,  # the authors' recipes filter nothing
    "top_p": 1.0,  # importance ratios are those of the distribution that was sampled from
    "top_k": 0,
}


@dataclass(frozen=True)
class Preset:
    """One algorithm."""

    source: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of `trl.GRPOConfig`, on top of what all have in common."""
    estimator: str | None = None
    """The baseline where a run names none; None: the group mean as TRL computes it."""
    trainer: type[CreditGRPOTrainer] = CreditGRPOTrainer
    oversampling: int = 1
    """Prompts drawn for each that is trained on."""
    overlong_share: float | None = None
    """The last part of the longest completion, over which a penalty grows from 0 to 1; None for no penalty."""

    def grpo_arguments(self) -> dict[str, Any]:
        """Arguments of `trl.GRPOConfig`."""
        return {**_COMMON, **self.arguments}


PRESETS: dict[str, Preset] = {
    "grpo": Preset(
        source="arXiv 2402.03300, section 4.1",
        arguments={
            "loss_type": "grpo",  # equation 3: 1/G sum_i 1/|o_i| sum_t
            "scale_rewards": "group",  # A = (r - mean(r)) / std(r)
            "epsilon": 0.2,  # not stated; PPO's (arXiv 1707.06347, table 3)
            # Its KL term (0.04) is left out as in all arms here.
        },
    ),
    "dr-grpo": Preset(
        source="arXiv 2503.20783, section 3.2",
        arguments={
            "loss_type": "dr_grpo",  # a constant in the place of 1/|o_i|
            "scale_rewards": "none",  # no division by the standard deviation
            "epsilon": 0.2,  # not stated; PPO's
        },
    ),
    "rloo": Preset(
        source="arXiv 2402.14740, section 4",
        arguments={
            "loss_type": "luspo",  # in TRL with ratios of tokens: the sum over a completion's tokens, the mean over completions
            "scale_rewards": "none",
            "epsilon": 0.2,  # REINFORCE has none; it matters only where a step's rollouts are used more than once
        },
        estimator="loo-mean",
    ),
    "dapo": Preset(
        source="arXiv 2503.14476, sections 3 and 4.1",
        arguments={
            "loss_type": "dapo",  # 3.3: the mean over all tokens of the batch
            "scale_rewards": "group",  # equation 9
            "epsilon": 0.2,  # 4.1: "the clipping parameter eps_low is set to 0.2"
            "epsilon_high": 0.28,  # 4.1, and the authors' recipes
        },
        oversampling=2,  # 3.2 draws until the batch is full; the authors' recipes draw twice as many and keep half
        overlong_share=4096 / 20480,  # 4.1: a maximum of 20,480 tokens of which 4,096 are penalised
    ),
    "cispo": Preset(
        source="arXiv 2506.13585, section 3.1; the paper prints CSIPO",
        arguments={
            "loss_type": "cispo",  # equation 4: the clipped ratio is a constant weight of log pi
            "scale_rewards": "group",
            "epsilon": 0.2,  # not used by this loss: "we did not impose a lower bound on the IS weight"
            "epsilon_high": 5.0,  # the largest ratio; not stated there, the value of the authors' recipes
        },
        oversampling=2,  # the authors' recipes
    ),
    "gspo": Preset(
        source="arXiv 2507.18071, section 5.1",
        arguments={
            "loss_type": "grpo",  # equation 5
            "importance_sampling_level": "sequence",  # equation 7
            "scale_rewards": "group",  # equation 6
            "epsilon": 3e-4,  # 5.1: "we set the left and right clipping ranges in Equation (5) to 3e-4 and 4e-4"
            "epsilon_high": 4e-4,
        },
    ),
    "gspo-token": Preset(
        source="arXiv 2507.18071, section 4.3",
        arguments={
            "loss_type": "grpo",  # equation 13
            "scale_rewards": "group",
            "epsilon": 3e-4,  # as GSPO's: the ratio has the same value
            "epsilon_high": 4e-4,
        },
        trainer=GSPOTokenTrainer,
    ),
    "ppo": Preset(
        source="arXiv 1707.06347, section 5",
        arguments={
            "loss_type": "dapo",  # the mean over all tokens: a state is a token
            "scale_rewards": "none",  # advantages are the critic's
            "epsilon": 0.2,  # table 3
        },
        trainer=PPOTrainer,
    ),
}
"""By name. A new one needs no more than an entry here."""
