"""The figure of what hidden states add to text."""

from collections.abc import Mapping
from textwrap import fill

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.artifacts.same_text import COMPARED, FINE, PARTS, TREE

_LOOKS = {
    "prefix-tree-loo": {"color": "#555555", "marker": "D"},
    TREE: {"color": "#555555", "marker": "d", "fillstyle": "none"},
    "numca-loo": {"color": "#E69F00", "marker": "^"},
    "hista-loo": {"color": "#0072B2", "marker": "o"},
    FINE: {"color": "#0072B2", "marker": "o", "fillstyle": "none"},
}
_LABEL = 20
"""Characters of a line of a row's label."""
_STEP = 0.15
"""By how much of a row the estimators of a part are apart."""


def plot_parts(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """One panel for each measurement (title -> `parts_table`): differences of error to the mean of the others, a row for each part."""
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(len(tables), 1, figsize=(WIDTH, 2.6 * len(tables) + 0.7), squeeze=False)
        for axis, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
            _draw(axis, table)
            axis.set_title(title)
        axes[-1, 0].set_xlabel("corrected squared error minus that of loo-mean")
        handles = [plt.Line2D([], [], markersize=5, linewidth=1.4, **_LOOKS[name]) for name in COMPARED]
        figure.legend(handles, COMPARED, loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
    return figure


def _draw(axis: Axes, table: pd.DataFrame) -> None:
    axis.axvline(0, color="#BBBBBB", linewidth=0.8)
    for offset, name in enumerate(COMPARED, start=-(len(COMPARED) // 2)):
        rows = table[table["estimator"] == name].set_index("part").loc[list(PARTS)].reset_index().dropna(subset=["diff"])
        places = rows.index + offset * _STEP
        axis.hlines(places, rows["diff_low"], rows["diff_high"], color=_LOOKS[name]["color"], linewidth=1.4)
        axis.plot(rows["diff"], places, linestyle="", markersize=5, **_LOOKS[name])
    states = table.drop_duplicates("part").set_index("part")["states"]
    axis.set_yticks(range(len(PARTS)), [f"{fill(words, _LABEL)}\n({states[part]} states)" for part, words in PARTS.items()])
    axis.set_ylim(len(PARTS) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    sns.despine(ax=axis, left=True)
    axis.tick_params(axis="y", length=0)
