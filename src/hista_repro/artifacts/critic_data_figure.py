"""The figure of what critics learn from more data."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.critic_data import ROWS, SHARES
from hista_repro.artifacts.critics import COLLAPSED, KINDS
from hista_repro.artifacts.plotting import STYLE, WIDTH

_LINES = {"": {"color": "#0072B2", "marker": "o"}, "-authors": {"color": "#D55E00", "marker": "s"}}
_APART = 1.03
"""Factor by which the kinds are moved apart, so that their intervals do not cover each other."""


def plot_growth(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """For each measurement (title -> `growth_table`) a row of panels, one for each share of variance and kind of problems asked about."""
    columns = [(share, row) for share in SHARES for row in ROWS]
    with matplotlib.rc_context(STYLE):
        size = (WIDTH, 1.7 * len(tables) * 2 + 0.4)
        figure, axes = plt.subplots(2 * len(tables), len(ROWS), figsize=size, sharex=True, sharey="row", squeeze=False)
        for place, (title, table) in enumerate(tables.items()):
            for number, (share, row) in enumerate(columns):
                axis = axes[2 * place + number // len(ROWS), number % len(ROWS)]
                _draw(axis, table[table["row"] == row], share)
                axis.set_title(f"{f'{title}: ' if number == 0 and len(tables) > 1 else ''}{SHARES[share]}, {ROWS[row]}", fontsize=8.5)
        for axis in axes[-1]:
            axis.set_xlabel("rollouts of each problem")
        figure.supylabel("share of variance explained", fontsize=9)
        handles = [plt.Line2D([], [], markersize=5, linewidth=1.4, **_LINES[kind]) for kind in KINDS]
        figure.legend(handles, KINDS.values(), loc="outside lower center", ncols=len(KINDS), frameon=False)
        plt.close(figure)
    return figure


def _draw(axis: plt.Axes, table: pd.DataFrame, share: str) -> None:
    axis.axhline(0, color="#BBBBBB", linewidth=0.8)
    if share == "within":
        axis.axhspan(-COLLAPSED, COLLAPSED, color="#EEEEEE", linewidth=0)
    for kind in KINDS:
        rows = table[table["kind"] == kind].dropna(subset=[share])
        places = rows["rollouts"] * (_APART if kind else 1 / _APART)
        axis.vlines(places, rows[f"{share}_low"], rows[f"{share}_high"], color=_LINES[kind]["color"], linewidth=1.4)
        axis.plot(places, rows[share], markersize=5, linewidth=1, **_LINES[kind])
    sizes = sorted(table["rollouts"].unique())
    axis.set_xscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    sns.despine(ax=axis)
