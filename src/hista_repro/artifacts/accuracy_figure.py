"""The figure of the pages about accuracies: every arm in every column, and below it what the paper prints."""

from collections.abc import Mapping, Sequence

import matplotlib
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hista_repro.artifacts.accuracies import Accuracies, accuracy
from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.artifacts.printed_accuracies import printed_accuracies
from hista_repro.artifacts.verdicts import Interval

COLOURS = ("#555555", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of arms in their order; of the palette by Okabe and Ito. Shapes say the same again."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_ROW = 0.3
"""Inches."""


def plot_accuracies(accuracies: Accuracies) -> Figure:
    """One panel for each model measured here (a row for each column of the table), and one for a model of the paper.

    That is the same model where the table has it, and else its first. The paper prints no intervals.
    """
    blocks = list(dict.fromkeys(arm.block for arm in accuracies.measured))
    printed = printed_accuracies(accuracies.number)
    same = next((block for block in blocks if block in set(printed["block"])), printed["block"].iloc[0])
    cells = printed[printed["block"] == same]
    names = list(dict.fromkeys([*(arm.name for arm in accuracies.measured), *cells["row"]]))
    theirs = list(dict.fromkeys(cells["column"]))
    heights = [len(accuracies.columns)] * len(blocks) + [len(theirs)]
    with matplotlib.rc_context(STYLE):
        size = (WIDTH, _ROW * sum(heights) + 0.75 * len(heights) + 0.3)
        figure, axes = plt.subplots(len(heights), 1, figsize=size, height_ratios=heights, squeeze=False)
        for axis, block in zip(axes[:, 0], blocks, strict=False):
            arms = {arm.name: arm for arm in accuracies.measured if arm.block == block}
            points = {n: {t: accuracy(a.evaluation, c) for t, c in accuracies.columns.items()} for n, a in arms.items()}
            _draw(axis, points, list(accuracies.columns), names, f"Here: {block}")
        rows = {name: part.set_index("column")["value"] for name, part in cells.groupby("row", sort=False)}
        points = {name: {column: Interval(value, value, value) for column, value in row.items()} for name, row in rows.items()}
        _draw(axes[-1, 0], points, theirs, names, f"Paper: {same}", fillstyle="none")
        handles = [plt.Line2D([], [], color=c, marker=m, linestyle="") for c, m, _ in zip(COLOURS, MARKERS, names, strict=False)]
        figure.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, handletextpad=0.2)
        plt.close(figure)
    return figure


def _draw(
    axis: Axes,
    points: Mapping[str, Mapping[str, Interval]],
    columns: Sequence[str],
    names: Sequence[str],
    title: str,
    fillstyle: str = "full",
) -> None:
    """`points`: arm -> column -> accuracy. The arms of a column lie one above the other, in the order of `names`."""
    for place, (name, row) in enumerate(points.items()):
        shift = 0.6 * ((place + 0.5) / len(points) - 0.5)
        colour, marker = COLOURS[names.index(name)], MARKERS[names.index(name)]
        for position, column in enumerate(columns):
            point, y = row[column], position + shift
            axis.plot([point.low, point.high], [y, y], color=colour, linewidth=1.2)
            axis.plot(point.estimate, y, marker, color=colour, markersize=4.5, fillstyle=fillstyle, clip_on=False)
    axis.set(title=title, xlim=(0, 1), xlabel="accuracy", ylim=(len(columns) - 0.5, -0.5))
    axis.set_yticks(range(len(columns)), columns)
    axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0, pad=7)  # a marker at zero reaches beyond the axis
    sns.despine(ax=axis, left=True)
