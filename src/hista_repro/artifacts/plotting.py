"""The figures: one style for all, readable at the width of a column and without colour vision."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hista_repro.artifacts.registry import get_artifact
from hista_repro.artifacts.results import output_folder
from hista_repro.artifacts.shifts import BIN_EDGES, FAR
from hista_repro.estimators import Information
from hista_repro.files import write_atomically

WIDTH = 4.8
"""Inches; at the text sizes below a figure stays readable when it is printed in a 3.4-inch column or shown on a phone."""

STYLE: dict[str, Any] = {
    **sns.axes_style("ticks"),
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.fontsize": 8.5,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    "svg.hashsalt": "hista-repro",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}

COLOURS = {
    Information.PREFIX: "#CC79A7",
    Information.SIBLINGS: "#0072B2",
    Information.OWN_RETURN: "#D55E00",
    Information.EXTRA_SAMPLES: "#009E73",
}
"""Of the palette by Okabe and Ito, which people with any colour vision can tell apart; shapes say the same again."""

MARKERS = {Information.PREFIX: "D", Information.SIBLINGS: "o", Information.OWN_RETURN: "s", Information.EXTRA_SAMPLES: "^"}

OUTCOMES = {"wrong": "#DDCC77", "correct": "#332288"}
"""Colours of a rollout's own outcome."""

_GREY = "#555555"


def save_figure(figure: Figure, artifact_id: str) -> None:
    """Write `figures/<artifact_id>.png`, `.svg` and `.pdf` to the output folder; the same figure, drawn again, gives the same bytes."""
    get_artifact(artifact_id)
    undated = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None, "Producer": None}}
    for kind, metadata in undated.items():
        path = output_folder() / "figures" / f"{artifact_id}.{kind}"
        with matplotlib.rc_context(STYLE):
            write_atomically(path, partial(figure.savefig, format=kind, metadata=metadata))


def plot_errors(measured: Mapping[str, pd.DataFrame], printed: Mapping[str, Mapping[str, float]]) -> Figure:
    """One panel of errors by estimator for each measurement, and below one for each column of the paper, which has no intervals.

    `measured`: title -> table with the columns estimator, information, mae, mae_low, mae_high and floor; an estimator without a number is
    marked as not run. `printed`: title -> estimator -> MAE. Panels share their rows, grouped by information set, but not their scales.
    """
    rows = _rows(next(iter(measured.values())))
    panels = len(measured) + len(printed)
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(panels, 1, figsize=(WIDTH, (0.17 * len(rows) + 0.62) * panels), squeeze=False)
        for axis, title in zip(axes[:, 0], (*measured, *printed), strict=True):
            if title in measured:
                _draw_measured(axis, measured[title].set_index("estimator"), rows)
            else:
                _draw_printed(axis, printed[title], rows)
            axis.set_title(title)
            _finish_rows(axis, rows)
        plt.close(figure)
    return figure


def _rows(table: pd.DataFrame) -> list[tuple[str | None, Information]]:
    """What each row of a panel shows, from the top: for every information set a heading (None), then its estimators."""
    rows: list[tuple[str | None, Information]] = []
    for information in Information:
        names = table.loc[table["information"] == information.value, "estimator"]
        rows += [(name, information) for name in (None, *names) if len(names)]
    return rows


def _draw_measured(axis: Axes, table: pd.DataFrame, rows: Sequence[tuple[str | None, Information]]) -> None:
    for position, (name, information) in enumerate(rows):
        if name is None:
            continue
        row = table.loc[name]
        if pd.isna(row.mae):
            _note(axis, position, "not run")
            continue
        axis.plot([row.mae_low, row.mae_high], [position, position], color=COLOURS[information], linewidth=1.4)
        axis.plot(row.mae, position, MARKERS[information], color=COLOURS[information], markersize=5)
    floor = table["floor"].dropna().iloc[0]
    axis.axvline(floor, color=_GREY, linewidth=1, linestyle=(0, (4, 2)))
    axis.annotate("noise floor", (floor, 0), xytext=(3, 0), textcoords="offset points", va="center", color=_GREY, fontsize=8)


def _draw_printed(axis: Axes, printed: Mapping[str, float], rows: Sequence[tuple[str | None, Information]]) -> None:
    for position, (name, information) in enumerate(rows):
        if name in printed:
            axis.plot(printed[name], position, MARKERS[information], color=COLOURS[information], markersize=5, fillstyle="none")
        elif name is not None:
            _note(axis, position, "not in the paper")


def _note(axis: Axes, position: int, text: str) -> None:
    axis.text(1, position, text, transform=axis.get_yaxis_transform(), ha="right", va="center", color=_GREY, style="italic", fontsize=8)


def _finish_rows(axis: Axes, rows: Sequence[tuple[str | None, Information]]) -> None:
    axis.set_yticks(range(len(rows)), [name or f"{information.value}:" for name, information in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, 1.04 * axis.get_xlim()[1])  # markers at the right end are seen whole
    axis.set_xlabel("mean absolute error (probability)")
    axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    sns.despine(ax=axis, left=True)
    axis.tick_params(axis="y", length=0)
    for position, (label, (name, information)) in enumerate(zip(axis.get_yticklabels(), rows, strict=True)):
        if name is None:
            label.set_color(COLOURS[information])
            label.set_fontweight("bold")
            axis.axhline(position - 0.5, color="#BBBBBB", linewidth=0.6)


def plot_shifts(panels: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Histograms of how far estimates lie from the group mean: a row for each measurement, a column for each estimator.

    `panels`: row title -> column title -> table of `shifts`.
    """
    columns = list(next(iter(panels.values())))
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(panels), len(columns), figsize=(WIDTH, 1.9 * len(panels) + 0.3), sharex=True, sharey="row", squeeze=False
        )
        for row, (title, tables) in enumerate(panels.items()):
            for column, (name, table) in enumerate(tables.items()):
                axis = axes[row, column]
                _draw_shifts(axis, table)
                axis.set_title(f"{'' if column else title}\n{name}")  # the row's title has the width of the row
                axis.set_xlabel("estimate − group mean" if row == len(panels) - 1 else "")
                axis.set_ylabel("" if column else "number of states")
            axes[row, 0].set_ylim(top=1.6 * axes[row, 0].get_ylim()[1])  # room for the text above the bars
        handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in OUTCOMES.values()]
        figure.legend(handles, [f"own answer {name}" for name in OUTCOMES], loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
    return figure


def _draw_shifts(axis: Axes, table: pd.DataFrame) -> None:
    sns.histplot(
        table,
        x="shift",
        hue="own_outcome",
        hue_order=list(OUTCOMES),
        palette=OUTCOMES,
        multiple="stack",
        bins=BIN_EDGES,
        linewidth=0,
        alpha=1,
        legend=False,
        ax=axis,
    )
    far = (table["shift"].abs() >= FAR).mean()
    axis.text(1, 0.97, f"{far:.0%} move\nby ≥ {FAR}", transform=axis.transAxes, ha="right", va="top", color=_GREY, fontsize=8)
    axis.set_xlim(-1, 1)
    axis.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axis.set_xticks([-0.5, 0, 0.5], ["−0.5", "0", "0.5"])  # the paper's text names these
    sns.despine(ax=axis)
