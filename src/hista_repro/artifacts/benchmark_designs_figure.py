"""The figure of what the design of a benchmark adds to its scores."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.plotting import COLOURS, MARKERS, STYLE, WIDTH
from hista_repro.estimators import Information

_SEEN = {"as published": Information.OWN_RETURN, "own outcome left out": Information.SIBLINGS}
"""The first rows of each method in `benchmark_designs.pool_errors`: what is seen, and the information set whose look it has."""
_STEP = 0.16
"""By how much of a row the two are above and below its middle."""


def plot_pools(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One panel for each measurement (title -> `pool_errors`): corrected squared error minus that over an independent pool, by method."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(len(tables), 1, figsize=(WIDTH, 1.7 * len(tables) + 0.5), squeeze=False)
        for axis, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
            axis.axvline(0, color="#BBBBBB", linewidth=0.8)
            methods = list(table["method"].unique())
            for number, (words, information) in enumerate(_SEEN.items()):
                rows = table.groupby("method", sort=False).nth(number)
                places = [row + (2 * number - 1) * _STEP for row in range(len(methods))]
                axis.hlines(places, rows["mse_diff_low"], rows["mse_diff_high"], color=COLOURS[information], linewidth=1.4)
                axis.plot(rows["mse_diff"], places, MARKERS[information], color=COLOURS[information], markersize=5, label=words)
            axis.set_title(title)
            axis.set_yticks(range(len(methods)), methods)
            axis.set_ylim(len(methods) - 0.5, -0.5)
            axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
            sns.despine(ax=axis, left=True)
            axis.tick_params(axis="y", length=0)
        axes[-1, 0].set_xlabel("corrected squared error minus that over an independent pool")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
    return figure
