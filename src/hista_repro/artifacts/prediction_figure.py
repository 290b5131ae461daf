"""The figure that holds errors on the benchmark against accuracies after training."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.plotting import COLOURS, MARKERS, STYLE, WIDTH
from hista_repro.estimators import Information


def plot_prediction(table: pd.DataFrame, panels: Mapping[str, str]) -> Figure:
    """A panel for each column of `Prediction.table` in `panels` (name -> label), with a row for each arm, in the order of the table."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 0.3 * len(table) + 1.1), sharey=True, squeeze=False)
        for axis, (name, label) in zip(axes[0], panels.items(), strict=True):
            for place, row in table.iterrows():
                information = Information(row["information"])
                axis.plot([row[f"{name}_low"], row[f"{name}_high"]], [place, place], color=COLOURS[information], linewidth=1.4)
                axis.plot(row[name], place, MARKERS[information], color=COLOURS[information], markersize=5)
            axis.set_xlabel(label)
            axis.xaxis.set_major_locator(MaxNLocator(nbins=2))  # labels of three digits touch otherwise
            axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
            axis.tick_params(axis="y", length=0)
            sns.despine(ax=axis, left=True)
        axes[0, 0].set_yticks(range(len(table)), table["arm"])
        axes[0, 0].set_ylim(len(table) - 0.5, -0.5)
        shown = [information for information in Information if information.value in set(table["information"])]
        handles = [plt.Line2D([], [], color=COLOURS[which], marker=MARKERS[which], markersize=5, linewidth=1.4) for which in shown]
        figure.legend(handles, [which.value for which in shown], loc="outside lower center", ncols=len(shown), frameon=False)
        plt.close(figure)
    return figure
