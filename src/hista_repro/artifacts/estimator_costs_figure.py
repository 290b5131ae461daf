"""The figure of what estimators cost by the size of the group."""

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.estimator_costs import AXES, PRODUCTS
from hista_repro.artifacts.plotting import COLOURS, STYLE, WIDTH
from hista_repro.estimators import get_estimator

_MARKERS = "osD^vP*X"


def plot_costs(costs: pd.DataFrame) -> Figure:
    """A panel for each axis of `measure_costs`: median seconds of each estimator, with the least and the most, on logarithmic scales."""
    axes_shown, estimators = list(costs["axis"].unique()), list(costs["estimator"].unique())
    styles = {name: _style(name, place) for place, name in enumerate(estimators)}
    with matplotlib.rc_context(STYLE):
        figure, panels = plt.subplots(len(axes_shown), 1, figsize=(WIDTH, 1.9 * len(axes_shown) + 0.9), sharey=True, squeeze=False)
        for panel, axis in zip(panels[:, 0], axes_shown, strict=True):
            for name in estimators:
                seconds = costs[(costs["axis"] == axis) & (costs["estimator"] == name)].groupby(axis)["seconds"]
                panel.vlines(seconds.median().index, seconds.min(), seconds.max(), color=styles[name]["color"], linewidth=1)
                panel.plot(seconds.median(), linewidth=1, markersize=4.5, **styles[name])
            panel.set_xscale("log")
            panel.set_yscale("log")
            sizes = sorted(costs.loc[costs["axis"] == axis, axis].unique())
            panel.set_xticks(sizes, [str(size) for size in sizes])
            panel.minorticks_off()
            panel.set_xlabel(AXES[axis])
            panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
            sns.despine(ax=panel)
        figure.supylabel("processor seconds for a group", fontsize=9)
        handles = [plt.Line2D([], [], linewidth=1, markersize=4.5, **styles[name]) for name in estimators]
        figure.legend(handles, estimators, loc="outside lower center", ncols=2, frameon=False)
        plt.close(figure)
    return figure


def _style(name: str, place: int) -> dict[str, str]:
    if name == PRODUCTS:
        return {"color": "#555555", "linestyle": "--", "marker": ""}
    return {"color": COLOURS[get_estimator(name).information], "linestyle": "-", "marker": _MARKERS[place % len(_MARKERS)]}
