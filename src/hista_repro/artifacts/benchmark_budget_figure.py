"""The figure of what a benchmark's tokens buy."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from hista_repro.artifacts.benchmark_budget import PAPER, Cost, Design, Foretold, Variances
from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.artifacts.verdicts import Interval

_LINES = {2: ("#0072B2", "-"), 5: ("#009E73", "--"), 20: ("#E69F00", "-."), 100: ("#D55E00", ":")}
"""Continuations of a state -> colour, of the palette by Okabe and Ito, and dashes."""
_STATES = (1, 2, 5, 10, 20, 40)
_TICKS = (0.25, 0.5, 1, 2, 4)


def plot_designs(panels: Mapping[str, tuple[Variances, Cost]], check: Foretold) -> Figure:
    """One panel for each measurement: standard errors at equal cost by the number of states, a line for each number of continuations.

    `panels`: "model on problems" -> what its benchmark shows, all of the difference that `check` is of. `check`, in the first panel, is a
    design that was made, where its standard error was seen.
    """
    columns = 1 if len(panels) < 3 else 2
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.5 * rows + 0.6), sharex=True, sharey="row", squeeze=False)
        for axis, (title, (variances, cost)) in zip(axes.flat, panels.items(), strict=False):
            _draw(axis, variances, cost)
            axis.set_title(title if columns == 1 else title.replace(" on ", "\non "))
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis in axes[:, 0]:
            axis.set_ylabel(f"standard error of {check.quantity} / the paper’s".replace(" − ", "\n− "))
        for axis in axes.flat[len(panels) - columns : len(panels)]:
            axis.set_xlabel("states of each problem")
            axis.xaxis.set_tick_params(labelbottom=True)  # the panel below may be missing
        states, seen = check.design.states, check.relative
        axes[0, 0].vlines(states, seen.low, seen.high, color="#000000", linewidth=1.4)
        axes[0, 0].plot(states, seen.estimate, "D", color="#000000", markersize=5, label=f"{check.design.label}, seen")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, handlelength=3)
        plt.close(figure)
    return figure


def _draw(axis: Axes, variances: Variances, cost: Cost) -> None:
    axis.axhline(1, color="#BBBBBB", linewidth=0.8)
    numbers = [states for states in _STATES if states <= variances.rollouts]
    for continuations, (colour, dashes) in _LINES.items():
        errors = [variances.relative_error(Design(states, continuations), cost) for states in numbers]
        axis.fill_between(numbers, _each(errors, "low"), _each(errors, "high"), color=colour, alpha=0.15, linewidth=0)
        label = f"{continuations} continuations"
        axis.plot(numbers, _each(errors, "estimate"), color=colour, linestyle=dashes, linewidth=1.4, label=label)
    axis.plot(PAPER.states, 1, "s", color="#000000", markersize=5, label=f"{PAPER.label}, the paper’s")
    axis.set_xscale("log")
    axis.set_yscale("log")
    for scale, ticks in ((axis.xaxis, _STATES), (axis.yaxis, _TICKS)):
        scale.set_major_locator(FixedLocator(ticks))
        scale.set_minor_locator(NullLocator())
        scale.set_major_formatter("{x:g}")
    sns.despine(ax=axis)


def _each(intervals: Sequence[Interval], name: str) -> np.ndarray:
    return np.array([getattr(interval, name) for interval in intervals])
