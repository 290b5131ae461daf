"""Claims that something makes no difference: they can be shown to hold or to fail only up to a margin."""

from hista_repro.artifacts.verdicts import Interval, Word


def judge_zero(ours: Interval, margin: float) -> Word:
    """Agrees where the interval lies within `margin` of zero, disagrees where it lies beyond, and is undecided where it does both.

    Raises `ValueError` for a margin that is not positive.
    """
    if margin <= 0:
        raise ValueError(f"margin must be positive, not {margin}")
    if max(-ours.low, ours.high) < margin:
        return Word.AGREES
    return Word.DISAGREES if max(ours.low, -ours.high) > margin else Word.UNDECIDED
