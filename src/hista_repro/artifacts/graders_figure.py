"""The figure of the page on graders: the share of cases that each judges as meant, by group."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.graders import share_as_meant
from hista_repro.artifacts.plotting import STYLE, WIDTH

_GRADERS = {"ours": ("this project's graders", "#0072B2", "o"), "independent": ("an independent grader", "#E69F00", "s")}


def plot_graders(rows: pd.DataFrame) -> Figure:
    """A row for each group of cases in `compare_graders`, with a dot and a 95% interval for each grader that can judge it."""
    groups = list(dict.fromkeys(rows["group"]))
    with matplotlib.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 0.42 * len(groups) + 0.9), layout="constrained")
        for offset, (column, (label, colour, marker)) in zip((-0.13, 0.13), _GRADERS.items(), strict=True):
            for place, group in enumerate(groups):
                judged = rows.loc[rows["group"] == group, column].dropna()
                if judged.empty:
                    continue
                share = share_as_meant(judged)
                axis.plot([share.low, share.high], [place + offset] * 2, color=colour, linewidth=1.4)
                axis.plot(share.estimate, place + offset, marker, color=colour, markersize=5, label=label if place == 0 else None)
        axis.set_yticks(np.arange(len(groups)), groups)
        axis.invert_yaxis()
        axis.set_xlim(0, 1.02)
        axis.set_xlabel("share of cases that are judged as meant")
        axis.legend(loc="lower left")
        plt.close(figure)
    return figure
