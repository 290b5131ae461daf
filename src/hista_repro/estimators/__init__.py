"""State-value estimators: one file for each row of the tables.

A module of this package is found by its `ESTIMATORS` list; adding an estimator means adding one file and nothing else. Files outside
the package are found through the entry-point group `hista_repro.estimators` and through the folders named in the environment variable
`HISTA_REPRO_PLUGINS` (separated like `PATH`).
"""

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.estimators.distances import min_distance, prefix_min_distances
from hista_repro.estimators.hista import hista_values
from hista_repro.estimators.numca import numca_values
from hista_repro.estimators.registry import available_estimators, get_estimator
from hista_repro.estimators.smoothing import smooth

__all__ = [
    "Estimator",
    "Information",
    "Positions",
    "available_estimators",
    "get_estimator",
    "hista_values",
    "min_distance",
    "numca_values",
    "prefix_min_distances",
    "smooth",
]
