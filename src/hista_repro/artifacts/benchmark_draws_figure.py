"""The figure of several draws of a benchmark."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.benchmark_draws import Spread
from hista_repro.artifacts.plotting import STYLE, WIDTH

_MEAN, _DRAW = "#000000", "#0072B2"
_HEIGHT = 0.7
"""Of a row, taken by its draws and their mean."""


def plot_draws(panels: Mapping[str, Sequence[Spread]]) -> Figure:
    """One panel for each title with quantities, one below the other: the draws in their order, and below them their mean."""
    panels = {title: spreads for title, spreads in panels.items() if spreads}
    rows = [len(spreads) for spreads in panels.values()]
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(panels), 1, figsize=(WIDTH, 0.55 * sum(rows) + 0.6 * len(panels) + 0.4), squeeze=False, height_ratios=rows
        )
        for axis, (title, spreads) in zip(axes[:, 0], panels.items(), strict=True):
            axis.axvline(0, color="#BBBBBB", linewidth=0.8)
            for row, spread in enumerate(spreads):
                places = row + np.linspace(-_HEIGHT / 2, _HEIGHT / 2, len(spread.draws) + 1)
                for colour, marker, intervals, where in (
                    (_DRAW, "o", spread.draws, places[:-1]),
                    (_MEAN, "D", (spread.mean,), places[-1:]),
                ):
                    axis.hlines(where, [i.low for i in intervals], [i.high for i in intervals], color=colour, linewidth=1.1)
                    label = None if row else {"o": "one draw", "D": "mean of the draws"}[marker]
                    axis.plot([i.estimate for i in intervals], where, marker, color=colour, markersize=3, label=label)
            axis.set_title(title[0].upper() + title[1:])
            axis.set_yticks(range(len(spreads)), [spread.quantity for spread in spreads])
            axis.set_ylim(len(spreads) - 0.4, -0.6)
            axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
            sns.despine(ax=axis, left=True)
            axis.tick_params(axis="y", length=0)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
    return figure
