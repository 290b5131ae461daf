"""Distances between the rows of rollouts, one matrix product (a tile) at a time, without the cancellation of the product form.

|x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses every digit where x and y nearly agree, and may even come out negative. So the rows are centred
first, which takes away what they share, and entries that are still small beside the norms are computed again by subtraction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import frexp
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

_CLOSE = 0.05
"""Entries below this share of |x|^2 + |y|^2 are computed again; the others keep a relative error of about float32's epsilon / 0.05."""
_SUBTRACTED_AT_ONCE = 4096
_CENTRE_ROWS = 256
"""Rows, about, of which the median is taken."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products in plain float32 and without gradients, whatever autocast, TF32 or bfloat16 setting the caller trains with."""
    settings = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "ieee"
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision


@dataclass(frozen=True)
class Frame:
    """What the rows of a group are measured in: scaled so that no square overflows or vanishes, and around a centre.

    The centre is their median in each dimension: the mean would follow the few rows of huge activations that middle layers have.
    """

    scale: float
    """A power of two; 1 unless the rows are of extreme magnitude."""
    centre_D: Tensor  # of normalised rows
    unit: bool
    """Whether rows are taken as directions, for distances 1 - cos."""

    @classmethod
    def of(cls, rows: Sequence[Tensor], *, unit: bool = False) -> Self:
        """The frame of `rows`, (R_i, D) tensors of any floating type with one row at least in all."""
        rows = [rows_R_D for rows_R_D in rows if len(rows_R_D)]
        largest = float(torch.stack([torch.stack(rows_R_D.aminmax()).abs().amax() for rows_R_D in rows]).amax())
        ordinary = largest == 0 or 1e-12 < largest < 1e12
        frame = cls(1.0 if ordinary else 2.0 ** -frexp(largest)[1], torch.zeros(rows[0].shape[1], device=rows[0].device), unit)
        step = max(1, sum(map(len, rows)) // _CENTRE_ROWS)
        return replace(frame, centre_D=torch.cat([frame.normalise(rows_R_D[::step]) for rows_R_D in rows]).median(dim=0).values)

    def normalise(self, rows: Tensor) -> Tensor:
        """`rows` (..., D) in float32, scaled, and of length 1 where only directions count."""
        scaled = rows.float() if self.scale == 1 else rows.float() * self.scale
        if not self.unit:
            return scaled
        largest = scaled.abs().amax(dim=-1, keepdim=True)
        return normalize(scaled / largest.where(largest > 0, 1.0), dim=-1)

    def distance(self, squared: Tensor) -> Tensor:
        """The distances that belong to squared distances of rows in this frame."""
        if self.unit:
            return squared / 2
        return squared.sqrt() if self.scale == 1 else squared.sqrt() / self.scale


@dataclass(frozen=True)
class Rows:
    """Rows in a frame: around its centre, their squared norms, and where each is found before it was centred."""

    centred: Tensor  # (..., D)
    norms: Tensor  # (...,)
    source: Tensor  # (...,) row of `normalised_R_D`
    normalised_R_D: Tensor

    @classmethod
    def of(cls, normalised: Tensor, frame: Frame) -> Self:
        """`normalised` (..., D) holds rows that `frame` has normalised."""
        centred = normalised - frame.centre_D
        norms = torch.linalg.vector_norm(centred, dim=-1).square()
        source = torch.arange(norms.numel(), device=norms.device).view(norms.shape)
        return cls(centred, norms, source, normalised.flatten(end_dim=-2))

    def __getitem__(self, index: Any) -> Self:
        return Rows(self.centred[index].contiguous(), self.norms[index], self.source[index], self.normalised_R_D)


def squared_distances(x: Rows, y: Rows) -> Tensor:
    """(*x.shape, *y.shape): the squared distance between every row of x and every row of y; exactly zero for equal rows."""
    norms = x.norms.flatten()[:, None] + y.norms.flatten()
    tile = x.centred.flatten(end_dim=-2) @ y.centred.flatten(end_dim=-2).T
    torch.add(norms, tile, alpha=-2, out=tile)
    margin = torch.add(tile, norms, alpha=-_CLOSE, out=norms)
    if margin.numel() and margin.amin() < 0:
        x_source, y_source = x.source.flatten(), y.source.flatten()
        for pairs in (margin < 0).nonzero().split(_SUBTRACTED_AT_ONCE):
            i, j = pairs.unbind(dim=1)
            difference = x.normalised_R_D.index_select(0, x_source[i]) - y.normalised_R_D.index_select(0, y_source[j])
            tile[i, j] = difference.square().sum(dim=1)
    return tile.view(*x.norms.shape, *y.norms.shape)
