"""The figure of what a search found: families as they come and as chosen, and what transformed hidden states change."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.comparisons import BASELINE
from hista_repro.artifacts.plotting import STYLE, WIDTH

_FORMS = {"as it comes": {"color": "#999999", "marker": "o"}, "as chosen": {"color": "#0072B2", "marker": "D"}}
_KINDS = {
    "centred": {"color": "#009E73", "marker": "^"},
    "standardised": {"color": "#CC79A7", "marker": "s"},
    "whitened": {"color": "#332288", "marker": "v"},
}
_PANELS = (
    ("form", _FORMS, f"corrected MSE − that of {BASELINE}"),
    ("kind", _KINDS, "corrected MSE − that on hidden states as they are"),
)
"""Column that tells the points of a family apart, their styles, and what is along the axis; one for each table of a measurement."""
_APART = 0.22
"""Distance of the points of one family, in rows."""


def plot_search(tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """For each measurement (title -> `confirmed_table`, `transformed_table`) two panels of differences of error with their intervals."""
    panels = [(title, table, *panel) for title, pair in tables.items() for table, panel in zip(pair, _PANELS, strict=True)]
    rows = [table["family"].nunique() for _, table, *_ in panels]
    with matplotlib.rc_context(STYLE):
        size = (WIDTH, 0.42 * sum(rows) + 0.95 * len(panels))
        figure, axes = plt.subplots(len(panels), 1, figsize=size, squeeze=False, height_ratios=[count + 0.5 for count in rows])
        for axis, (title, table, column, styles, compared) in zip(axes[:, 0], panels, strict=True):
            _draw(axis, table, column, styles)
            axis.set_xlabel(compared)
            if column == "form" and len(tables) > 1:
                axis.set_title(title)
        plt.close(figure)
    return figure


def _draw(axis: plt.Axes, table: pd.DataFrame, column: str, styles: Mapping[str, Mapping[str, str]]) -> None:
    families = list(dict.fromkeys(table["family"]))
    axis.axvline(0, color="#BBBBBB", linewidth=0.8)
    shown = [name for name in styles if name in set(table[column])]
    for place, name in enumerate(shown):
        part = table[table[column] == name]
        heights = [families.index(family) + (place - (len(shown) - 1) / 2) * _APART for family in part["family"]]
        axis.hlines(heights, part["diff_low"], part["diff_high"], color=styles[name]["color"], linewidth=1.4)
        axis.plot(part["diff"], heights, linestyle="", markersize=5, label=name, **styles[name])
    axis.set_yticks(range(len(families)), families)
    axis.set_ylim(len(families) - 0.4, -0.6)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
    sns.despine(ax=axis)
