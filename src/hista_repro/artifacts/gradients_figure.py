"""The figure of how noisy gradients are with a share of the values as a baseline."""

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.gradients import OF_VALUES, REFERENCE, Gradients
from hista_repro.artifacts.plotting import STYLE, WIDTH

_LOOKS = (("#000000", "-"), ("#555555", ":"), ("#E69F00", "-."), ("#0072B2", "--"), ("#009E73", (0, (1, 1))))
"""Colours of the palette by Okabe and Ito, and dashes."""
_LINES = (REFERENCE, *OF_VALUES, "otb-loo")
"""Without `loo-share`, which is a share of `REFERENCE`."""
_SHARES = np.linspace(0, 1.2, 25)


def plot_noise(gradients: Gradients) -> Figure:
    """The noise of the gradient by the share of the values that is subtracted, a line with its 95% interval for each baseline."""
    with matplotlib.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
        axis.axhline(1, color="#BBBBBB", linewidth=0.8)
        for name, (colour, dashes) in zip(_LINES, _LOOKS, strict=True):
            noise = [gradients.noise(name, float(share)) for share in _SHARES]
            axis.fill_between(_SHARES, [n.low for n in noise], [n.high for n in noise], color=colour, alpha=0.15, linewidth=0)
            axis.plot(_SHARES, [n.estimate for n in noise], color=colour, linestyle=dashes, linewidth=1.4, label=name)
        axis.set_title(gradients.name)
        axis.set_xlabel("share of the values that is subtracted")
        axis.set_ylabel(f"noise / that of {REFERENCE}")
        axis.set_ylim(bottom=0)
        sns.despine(ax=axis)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, handlelength=3)
        plt.close(figure)
    return figure
