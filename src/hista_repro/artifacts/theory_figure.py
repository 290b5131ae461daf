"""The figure of the theory's page: ending alike by distance, and how often Assumption B.2 holds."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.artifacts.theory import CONDITIONS, NEARLY_ALWAYS, PAIRS, WEIGHTS
from hista_repro.artifacts.verdicts import Interval

_COLOURS = ("#0072B2", "#D55E00")


def plot_theory(alike: Mapping[str, Mapping[str, pd.DataFrame]], holding: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Figure:
    """For each measurement a panel of pairs that end alike by distance, and one of how often conditions hold.

    `alike`: title -> key of `PAIRS` -> `alike_by_distance`; `holding`: title -> key of `WEIGHTS` -> `shares`.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(2 * len(alike), 1, figsize=(WIDTH, 4.8 * len(alike)), squeeze=False)
        for row, title in enumerate(alike):
            _draw_alike(axes[2 * row, 0], alike[title])
            _draw_holding(axes[2 * row + 1, 0], holding[title])
            axes[2 * row, 0].set_title(f"{title}: Theorem 5.2")
            axes[2 * row + 1, 0].set_title(f"{title}: Theorem 5.5")
        plt.close(figure)
    return figure


def _draw_alike(axis: Axes, tables: Mapping[str, pd.DataFrame]) -> None:
    for colour, marker, (pairs, table) in zip(_COLOURS, "os", tables.items(), strict=True):
        means = table.groupby("bin")[["alike", "distance"]].mean()
        axis.plot(means.index + 1, means["alike"], f"{marker}-", color=colour, markersize=4, label=PAIRS[pairs])
        # through the farthest tenth: the nearest may be at distance zero, where 1 / MinDistance is infinite
        proportional = means["alike"].iloc[-1] * means["distance"].iloc[-1] / means["distance"].where(means["distance"] > 0)
        label = "in proportion to 1 / MinDistance" if pairs == "any" else None
        axis.plot(means.index + 1, proportional, ":", color=colour, linewidth=1.2, label=label)
    axis.set(xlabel="tenth of the pairs of a prompt, nearest first", ylabel="share that end alike", ylim=(0, 1.35), xticks=range(1, 11))
    axis.set_yticks([0, 0.5, 1])
    axis.legend(frameon=False, loc="lower left")
    sns.despine(ax=axis)


def _draw_holding(axis: Axes, found: Mapping[str, Mapping[str, Interval]]) -> None:
    places = np.arange(len(CONDITIONS))
    for number, (colour, marker, (weights, of)) in enumerate(zip(_COLOURS, "os", found.items(), strict=True)):
        estimates = np.array([of[name].estimate for name in CONDITIONS])
        errors = [estimates - [of[name].low for name in CONDITIONS], [of[name].high for name in CONDITIONS] - estimates]
        at = places + 0.2 * number - 0.1
        axis.errorbar(np.maximum(estimates, 0), at, xerr=np.maximum(errors, 0), fmt=marker, color=colour, label=WEIGHTS[weights])
    axis.axvline(NEARLY_ALWAYS, color="#555555", linewidth=1, linestyle=(0, (4, 2)))
    axis.set(xlim=(0, 1.02), xlabel="share of the states", yticks=places, yticklabels=list(CONDITIONS.values()))
    axis.invert_yaxis()
    axis.legend(frameon=False, loc="lower left", title="weights")
    sns.despine(ax=axis)
