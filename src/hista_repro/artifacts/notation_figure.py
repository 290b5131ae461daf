"""The tensors of a real group, drawn to scale, with the names of the paper and of this project."""

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hista_repro.artifacts.pipeline import Pipeline
from hista_repro.artifacts.plotting import STYLE, WIDTH

_FILL, _EDGE = "#CFE3F1", "#0072B2"
_GAP = 0.5
"""Between tensors, as a part of the widest side."""


def plot_tensors(pipeline: Pipeline) -> Figure:
    """One rectangle for each tensor, as high and wide as the square roots of its sides."""
    n = pipeline.counts
    tensors = (
        (r"$\mathbf{X}$", "hidden_T_D", (n["T"], n["D"])),
        (r"$\mathbf{E}_\tau$", "rows_R_D", (n["R"], n["D"])),
        (r"$\mathrm{MD}$", "distances_M_M", (n["M"], n["M"])),
        (r"$\hat{V}_{\mathrm{PW}}$", "values_N", (n["N"],)),
        (r"$R_i$", "rewards_G", (n["G"],)),
    )
    widest = max(side for *_, shape in tensors for side in shape) ** 0.5
    with matplotlib.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 1.75))
        left = 0.0
        for symbol, name, shape in tensors:
            height, width = shape[0] ** 0.5, (shape[1] if len(shape) > 1 else 1) ** 0.5
            room = max(width, _GAP * widest)
            axis.add_patch(Rectangle((left + (room - width) / 2, -height), width, height, facecolor=_FILL, edgecolor=_EDGE))
            axis.text(left + room / 2, 0.12 * widest, symbol, ha="center", va="bottom", fontsize=11)
            label = f"{name}\n{' × '.join(map(str, shape))}"
            axis.text(left + room / 2, -height - 0.06 * widest, label, ha="center", va="top", fontsize=8)
            left += room + _GAP * widest
        axis.set(xlim=(-0.3 * widest, left - 0.2 * widest), ylim=(-1.4 * widest, 0.4 * widest), aspect="equal")
        axis.set_axis_off()
        plt.close(figure)
    return figure
