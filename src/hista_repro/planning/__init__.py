"""What work will cost before it is begun: tokens, GPU-hours and disk, from the sizes of a profile and stated assumptions."""

from hista_repro.planning.costs import Assumptions, Cost, cost_of_build
from hista_repro.planning.dry_run import plan, readable_plan
from hista_repro.planning.evaluations import cost_of_evaluation
from hista_repro.planning.shapes import ModelShape, shape_of
from hista_repro.planning.training import cost_of_training

__all__ = [
    "Assumptions",
    "Cost",
    "ModelShape",
    "cost_of_build",
    "cost_of_evaluation",
    "cost_of_training",
    "plan",
    "readable_plan",
    "shape_of",
]
