"""Distances between the rows of rollouts, one matrix product (a tile) at a time, without the cancellation of the product form.

|x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses every digit where x and y nearly agree, and may even come out negative. So the rows are centred
first, which takes away what they all share, and entries that are still small beside the norms are computed again by subtraction.
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


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Matrix products in plain float32 and without gradients, whatever autocast, TF32 or bfloat16 setting the caller trains with."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class Frame:
    """What the rows of a group are measured in: scaled so that no square overflows or vanishes, and around their mean."""

    scale: float
    """A power of two; 1 unless the rows are of extreme magnitude."""
    centre_D: Tensor  # scaled
    unit: bool
    """Whether rows are taken as directions, for distances 1 - cos."""

    @classmethod
    def of(cls, rows: Sequence[Tensor], *, unit: bool = False) -> Self:
        """The frame of `rows`, (R_i, D) tensors of any floating type with one row at least in all."""
        rows = [rows_R_D for rows_R_D in rows if len(rows_R_D)]
        largest = float(torch.stack([torch.stack(rows_R_D.aminmax()).abs().amax() for rows_R_D in rows]).amax())
        ordinary = largest == 0 or 1e-12 < largest < 1e12
        frame = cls(1.0 if ordinary else 2.0 ** -frexp(largest)[1], torch.zeros(rows[0].shape[1], device=rows[0].device), unit)
        share = torch.full_like(frame.centre_D[0], 1 / sum(map(len, rows)))
        return replace(frame, centre_D=sum(share.expand(len(rows_R_D)) @ frame.bring(rows_R_D) for rows_R_D in rows))

    def bring(self, rows: Tensor) -> Tensor:
        """`rows` (..., D) in float32, scaled, and brought to length 1 where only directions count."""
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
    """Rows in a frame: as they are, around its centre, and the squared norms of the latter."""

    brought: Tensor  # (..., D)
    centred: Tensor  # (..., D)
    norms: Tensor  # (...,)

    @classmethod
    def of(cls, brought: Tensor, frame: Frame) -> Self:
        """`brought` holds rows that `frame` has brought."""
        centred = brought - frame.centre_D
        return cls(brought, centred, torch.linalg.vector_norm(centred, dim=-1).square())

    def __getitem__(self, index: Any) -> Self:
        return Rows(self.brought[index], self.centred[index].contiguous(), self.norms[index])


def squared_distances(x: Rows, y: Rows) -> Tensor:
    """(*x.shape, *y.shape): the squared distance between every row of x and every row of y; exactly zero for equal rows."""
    depth = x.centred.shape[-1]
    norms = x.norms.flatten()[:, None] + y.norms.flatten()
    tile = x.centred.reshape(-1, depth) @ y.centred.reshape(-1, depth).T
    torch.add(norms, tile, alpha=-2, out=tile)
    margin = torch.add(tile, norms, alpha=-_CLOSE, out=norms)
    if margin.numel() and margin.amin() < 0:
        x_rows, y_rows = x.brought.reshape(-1, depth), y.brought.reshape(-1, depth)
        for pairs in (margin < 0).nonzero().split(_SUBTRACTED_AT_ONCE):
            i, j = pairs.unbind(dim=1)
            tile[i, j] = (x_rows.index_select(0, i) - y_rows.index_select(0, j)).square().sum(dim=1)
    return tile.view(*x.norms.shape, *y.norms.shape)
