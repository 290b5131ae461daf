"""The figure of an ablation: error by setting, as published and without the own reward, and as printed."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hista_repro.artifacts.ablation_settings import FORMS
from hista_repro.artifacts.plotting import COLOURS, STYLE, WIDTH
from hista_repro.estimators import get_estimator

_SHAPES = ("o", "s", "^", "D")
_GREY = "#555555"
_DODGE = 0.5
"""Width over which the series at one value are spread."""


def plot_ablation(measured: Mapping[str, pd.DataFrame], printed: str) -> Figure:
    """A row of panels for each measurement (title -> `ablation_table`), one for each form; below, the paper's numbers, titled `printed`.

    Drawn are differences of MAE to the default setting, with their paired intervals; dashed, that of the form's baseline, which reads no
    hidden state. Panels of a row share their scale; rows do not.
    """
    first = next(iter(measured.values()))
    series = list(dict.fromkeys(first["series"]))
    with matplotlib.rc_context(STYLE):
        height = len(measured) + 1
        figure, axes = plt.subplots(height, len(FORMS), figsize=(WIDTH, 1.9 * height), sharey="row", squeeze=False)
        for row, (title, table) in zip(axes[:-1], measured.items(), strict=True):
            for axis, (form, words) in zip(row, FORMS.items(), strict=True):
                part = table[table["form"] == form]
                _draw(axis, part, series, COLOURS[get_estimator(form).information])
                axis.axhline(part["baseline_diff"].iloc[0], color=_GREY, linewidth=1, linestyle=(0, (4, 2)))
                axis.set_title(f"{'' if axis is not row[0] else title}\n{words}")
        paper = first[first["form"] == "hista"].assign(mae_diff=first["printed_diff"], mae_diff_low=np.nan, mae_diff_high=np.nan)
        _draw(axes[-1, 0], paper, series, COLOURS[get_estimator("hista").information], fillstyle="none")
        axes[-1, 0].set_title(f"{printed}\n{FORMS['hista']}")
        _explain(axes[-1, 1], series)
        for axis in axes[:, 0]:
            axis.set_ylabel("MAE − default's")
        plt.close(figure)
    return figure


def _draw(axis: Axes, table: pd.DataFrame, series: Sequence[str], colour: str, fillstyle: str = "full") -> None:
    values = list(dict.fromkeys(table["value"]))
    offsets = np.linspace(-_DODGE / 2, _DODGE / 2, len(series)) if len(series) > 1 else [0.0]
    axis.axhline(0, color="#BBBBBB", linewidth=0.8)
    for name, offset, shade, shape in zip(series, offsets, _shades(colour, len(series)), _SHAPES, strict=False):
        line = table[table["series"] == name]
        places = [values.index(value) + offset for value in line["value"]]
        axis.vlines(places, line["mae_diff_low"], line["mae_diff_high"], color=shade, linewidth=1.2)
        axis.plot(places, line["mae_diff"], shape, color=shade, markersize=4, fillstyle=fillstyle)
    names, _, numbers = zip(*(value.partition(" = ") for value in values), strict=True)
    axis.set_xticks(range(len(values)), [number or name for name, number in zip(names, numbers, strict=True)])
    if numbers[0]:
        axis.set_xlabel(names[0])
    else:
        plt.setp(axis.get_xticklabels(), rotation=25, ha="right", rotation_mode="anchor")
    axis.set_xlim(-0.6, len(values) - 0.4)
    axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)
    sns.despine(ax=axis)


def _explain(axis: Axes, series: Sequence[str]) -> None:
    """The empty place beside the paper's panel holds the legend of the series."""
    axis.set_axis_off()
    if series != [""]:
        shades = _shades(_GREY, len(series))
        marks = [Line2D([], [], color=shade, marker=shape, linestyle="") for shade, shape in zip(shades, _SHAPES, strict=False)]
        axis.legend(marks, series, loc="center", frameon=False)


def _shades(colour: str, count: int) -> list[tuple[float, float, float]]:
    """From a lighter to the full colour."""
    return sns.light_palette(colour, count + 2)[2:]
