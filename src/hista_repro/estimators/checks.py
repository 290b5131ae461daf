"""What every estimator asks of its arguments."""

from hista_repro.estimators.base import Positions
from hista_repro.rollouts.group import RolloutGroup


def check_positions(group: RolloutGroup, positions: Positions) -> None:
    """`ValueError` unless `positions` names states of `group`."""
    if len(positions) != group.size:
        raise ValueError(f"positions has {len(positions)} entries for {group.size} completions")
    for i, tokens in enumerate(positions):
        if outside := [t for t in tokens if not 0 <= t <= group.length(i)]:
            raise ValueError(f"positions[{i}] holds {outside[0]}, which is outside 0..{group.length(i)}")


def check_siblings(size: int) -> None:
    """`ValueError` for a group of one, where the other rollouts are asked for."""
    if size < 2:
        raise ValueError(f"rewards_G holds {size} reward, and a rollout that is left out needs at least one other")
