"""What work will cost before it is begun: tokens, GPU-hours and disk, from the sizes of a profile and stated assumptions."""

from hista_repro.planning.costs import Assumptions, BuildCost, cost_of_build
from hista_repro.planning.dry_run import plan, readable_plan
from hista_repro.planning.shapes import ModelShape, shape_of

__all__ = ["Assumptions", "BuildCost", "ModelShape", "cost_of_build", "plan", "readable_plan", "shape_of"]
