"""Hista with 1 - cosine in place of the Euclidean distance inside MinDistance (paper, Table 10, "Cosine").

The paper's words, "(1 - Cosine Distance)", are read as one minus the cosine of the angle. Otherwise `hista`. Information set: own-return.
"""

from dataclasses import dataclass

from hista_repro.estimators.distances import Metric
from hista_repro.estimators.hista import Hista


@dataclass(frozen=True)
class CosineHista(Hista):
    """Hista by the angle of hidden states."""

    name = "hista-cosine"
    metric: Metric = "cosine"


ESTIMATORS = [CosineHista()]
