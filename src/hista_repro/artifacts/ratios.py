"""Ratios of bootstrap draws, of which some may have nothing to divide by."""

import numpy as np

from hista_repro.sveb.bootstrap import Array


def ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """`numerator` / `denominator`, NaN where that is 0, which `percentile_interval` leaves out."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)
