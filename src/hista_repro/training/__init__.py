"""From the values of states to token advantages to a trained policy.

Read `trainer` first, then `credit` (the arithmetic) and `batch` (how a step's rollouts become groups).
"""

from hista_repro.training.gspo_token import GSPOTokenTrainer
from hista_repro.training.hidden_align import HiddenAlign, HiddenAlignMixin
from hista_repro.training.ppo import PPOCritic, PPOTrainer
from hista_repro.training.trainer import CreditGRPOTrainer

__all__ = ["CreditGRPOTrainer", "GSPOTokenTrainer", "HiddenAlign", "HiddenAlignMixin", "PPOCritic", "PPOTrainer"]
