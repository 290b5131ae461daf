"""The figure of where estimators err: by position, and what comes true of what they say."""

from collections.abc import Sequence

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.comparisons import BASELINE
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.sveb.breakdowns import calibration, error_by_position

_LOOKS = {
    BASELINE: {"color": "#555555", "marker": "D", "linestyle": ":"},
    "numca-loo": {"color": "#E69F00", "marker": "^", "linestyle": "--"},
    "hista-loo": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "hista": {"color": "#D55E00", "marker": "s", "linestyle": "-."},
}
_BINS = 5


def plot_conditions(measurements: Sequence[Measurement]) -> Figure:
    """A row for each measurement (`conditions.with_fractions`): corrected MSE by position, and mean references by mean estimates.

    Bands are 95% intervals. Rows do not share their scales of errors.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(len(measurements), 2, figsize=(WIDTH, 1.75 * len(measurements) + 0.6), squeeze=False)
        for (left, right), measurement in zip(axes, measurements, strict=True):
            scores = measurement.scores[measurement.scores["estimator"].isin(list(_LOOKS))]
            _draw(left, error_by_position(scores, _BINS, REPEATS), "bin", "mse")
            left.set_title(measurement.name)
            left.set_ylabel("corrected MSE")
            left.set_ylim(bottom=min(0, left.get_ylim()[0]))
            right.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.8)
            _draw(right, calibration(scores, _BINS, REPEATS), "estimate", "reference")
            right.set_ylabel("came true")
            right.set_ylim(0, 1)
            for axis in (left, right):
                axis.set_xlim(0, 1)
                axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
                axis.yaxis.set_major_locator(MaxNLocator(nbins=4))
                sns.despine(ax=axis)
        axes[-1, 0].set_xlabel("share of the answer before the state")
        axes[-1, 1].set_xlabel("value")
        handles = [plt.Line2D([], [], markersize=4, linewidth=1.2, **looks) for looks in _LOOKS.values()]
        figure.legend(handles, list(_LOOKS), loc="outside lower center", ncols=len(_LOOKS), frameon=False, handlelength=3)
        plt.close(figure)
    return figure


def _draw(axis: Axes, frame: pd.DataFrame, across: str, up: str) -> None:
    for name, looks in _LOOKS.items():
        rows = frame[frame["estimator"] == name].sort_values(across)
        axis.fill_between(rows[across], rows[f"{up}_low"], rows[f"{up}_high"], color=looks["color"], alpha=0.15, linewidth=0)
        axis.plot(rows[across], rows[up], linewidth=1.2, markersize=4, **looks)
