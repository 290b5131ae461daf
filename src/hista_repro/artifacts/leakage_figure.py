"""The figure of the leakage audit: own weight by position, and what the gains are made of."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hista_repro.artifacts.leakage import PARTS
from hista_repro.artifacts.plotting import COLOURS, STYLE, WIDTH
from hista_repro.estimators import Information

_LINES = {
    "ramp": ("#555555", ":"),
    "numca": ("#56B4E9", "-"),
    "numca-released": ("#56B4E9", "--"),
    "hista": ("#D55E00", "-"),
    "hista-released": ("#D55E00", "--"),
    "group-mean": ("#555555", "-"),
}
"""Colour and stroke of each estimator whose own weight is drawn: a colour for a method, dashes for its released form."""

_BARS = {
    "published": COLOURS[Information.OWN_RETURN],
    "left": COLOURS[Information.SIBLINGS],
    "own": "#E8B48A",
    "alone": "#BBBBBB",
}


def plot_leakage(weights: Mapping[str, pd.DataFrame], gains: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """For each measurement a panel of own weights by position (`weight_by_position`) and one of the parts of the gains in MAE.

    `weights`: title -> table; `gains`: title -> method -> `gain_parts`.
    """
    methods = list(next(iter(gains.values())))
    heights = [2.2, 0.42 + 0.17 * len(methods) * (len(PARTS) + 1)] * len(weights)
    with matplotlib.rc_context(STYLE):
        figure = plt.figure(figsize=(WIDTH, sum(heights)))
        panels = iter(figure.subfigures(len(heights), 1, height_ratios=heights))  # so that long labels of one do not narrow the other
        for title, table in weights.items():
            above, below = next(panels).subplots(), next(panels).subplots()
            _draw_weights(above, table)
            above.set_title(title)
            _draw_gains(below, gains[title])
        plt.close(figure)
    return figure


def _draw_weights(axis: Axes, table: pd.DataFrame) -> None:
    for name, (colour, stroke) in _LINES.items():
        line = table[table["estimator"] == name]
        axis.plot(line["bin"], line["weight"], color=colour, linestyle=stroke, linewidth=1.4, label=name)
        axis.fill_between(line["bin"], line["weight_low"], line["weight_high"], color=colour, alpha=0.15, linewidth=0)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xlabel("share of the answer before the state")
    axis.set_ylabel("own weight")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, handlelength=1.8)
    sns.despine(ax=axis)


def _draw_gains(axis: Axes, tables: Mapping[str, pd.DataFrame]) -> None:
    ticks: dict[int, str] = {}
    position = 0
    for method, table in tables.items():
        for row in table[table["error"] == "mae"].itertuples():
            axis.barh(position, row.gain, color=_BARS[row.part], height=0.8)
            axis.plot([row.low, row.high], [position, position], color="black", linewidth=1)
            ticks[position] = f"{method}: {PARTS[row.part]}" if row.part == "published" else PARTS[row.part]
            position += 1
        position += 1
    axis.set_yticks(list(ticks), list(ticks.values()))
    axis.set_ylim(position - 1.4, -0.6)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("gain in MAE (probability)")
    axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    sns.despine(ax=axis, left=True)
