"""The figure of arms at several learning rates."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hista_repro.artifacts.learning_rates import rate_text
from hista_repro.artifacts.plotting import STYLE, WIDTH

_LOOKS = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"), ("#CC79A7", "D", "-."))
_APART = 1.03
"""Times a rate, from arm to arm: intervals at the same rate would cover each other."""


def plot_rates(table: pd.DataFrame, panels: Mapping[str, str]) -> Figure:
    """A panel for each column of `learning_rates.rate_table` in `panels` (name -> label): a line for each arm, with 95% intervals.

    Raises `ValueError` for more arms than can be told apart.
    """
    arms, rates = list(table["arm"].unique()), sorted(table["learning_rate"].unique())
    if len(arms) > len(_LOOKS):
        raise ValueError(f"table: {len(arms)} arms, and {len(_LOOKS)} can be told apart")
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.8), squeeze=False)
        for axis, (name, label) in zip(axes[0], panels.items(), strict=True):
            for place, (arm, (colour, marker, line)) in enumerate(zip(arms, _LOOKS, strict=False)):
                rows = table[table["arm"] == arm]
                at = rows["learning_rate"] * _APART ** (place - (len(arms) - 1) / 2)
                axis.vlines(at, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1.2)
                axis.plot(at, rows[name], color=colour, marker=marker, linestyle=line, linewidth=1.4, markersize=4.5, label=arm)
            axis.set_xscale("log")
            axis.set_xticks(rates, [rate_text(rate) for rate in rates])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_xlabel("learning rate")
            axis.set_ylabel(label)
            axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
            sns.despine(ax=axis)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, handlelength=3)
        plt.close(figure)
    return figure
