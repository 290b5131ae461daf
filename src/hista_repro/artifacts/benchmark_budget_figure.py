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
    """One panel for each title: standard errors at equal cost by the number of states, a line for each number of continuations.

    `check`, in the first panel, is a design that was made, where its standard error was seen.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 2.5 * len(panels) + 0.6), sharex=True, squeeze=False)
        for axis, (title, (variances, cost)) in zip(axes[:, 0], panels.items(), strict=True):
            _draw(axis, variances, cost)
            axis.set_title(f"{title}: {variances.quantity}")
            axis.set_ylabel("standard error / the paper’s")
        states, seen = check.design.states, check.relative
        axes[0, 0].vlines(states, seen.low, seen.high, color="#000000", linewidth=1.4)
        axes[0, 0].plot(states, seen.estimate, "D", color="#000000", markersize=5, label=f"{check.design.label}, seen")
        axes[-1, 0].set_xlabel("states of each problem")
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
