"""Distances between the rows of rollouts, one matrix product (a tile) at a time, without the cancellation of the product form.

|x - y|^2 = |x|^2 + |y|^2 - 2 x.y loses every digit where x and y nearly agree, and may even come out negative. So the rows are centred
first, which takes away what they all share, and entries that are still small beside the norms are computed again by subtraction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

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
class Bank:
    """The rows of a group under one another, scaled by a power of two so that no square overflows; the last row is their mean."""

    rows_R_D: Tensor
    scale: Tensor
    offsets: tuple[int, ...]
    """Where the rows of each rollout begin."""
    unit: bool
    """Whether every row was brought to length 1, for distances 1 - cos."""

    @classmethod
    def of(cls, rows: Sequence[Tensor], *, unit: bool = False) -> Self:
        """The bank of `rows`, one (R_i, D) tensor of any floating type per rollout, with one row at least in all."""
        offsets = [0, *accumulate(map(len, rows))]
        bank_R_D = torch.empty(offsets[-1] + 1, rows[0].shape[1], device=rows[0].device)
        torch.cat([rows_R_D.float() for rows_R_D in rows], out=bank_R_D[:-1])
        scale = _power_of_two(torch.stack(bank_R_D[:-1].aminmax()))
        bank_R_D[:-1] *= scale
        if unit:
            bank_R_D[:-1] *= _power_of_two(bank_R_D[:-1], dim=1)
            bank_R_D[:-1] = normalize(bank_R_D[:-1], dim=1)
        bank_R_D[-1] = bank_R_D[:-1].mean(dim=0)
        return cls(bank_R_D, scale, tuple(offsets[:-1]), unit)

    def distance(self, squared: Tensor) -> Tensor:
        """The distances that belong to entries of `squared_distances`."""
        return squared.clamp_min(0) / 2 if self.unit else squared.clamp_min(0).sqrt() / self.scale

    def select(self, source: Tensor) -> "Rows":
        """The rows with the given indices (any shape); -1 is a row of zeros."""
        centred = self.rows_R_D[source] - self.rows_R_D[-1]
        return Rows(self, source, centred, centred.square().sum(dim=-1))


@dataclass(frozen=True)
class Rows:
    """Rows of a bank, centred on its mean."""

    bank: Bank
    source: Tensor  # (...,) index into the bank
    centred: Tensor  # (..., D)
    norms: Tensor  # (...,) squared

    def __getitem__(self, index: slice) -> Self:
        return Rows(self.bank, self.source[index], self.centred[index], self.norms[index])


def squared_distances(x: Rows, y: Rows) -> Tensor:
    """(*x.shape, *y.shape): the scaled squared distance between every row of x and every row of y; exactly zero for equal rows."""
    depth = x.centred.shape[-1]
    norms = x.norms.flatten()[:, None] + y.norms.flatten()
    tile = torch.addmm(norms, x.centred.reshape(-1, depth), y.centred.reshape(-1, depth).T, alpha=-2)
    close = tile < norms.mul_(_CLOSE)
    bank_R_D, x_source, y_source = x.bank.rows_R_D, x.source.flatten(), y.source.flatten()
    for pairs in close.nonzero().split(_SUBTRACTED_AT_ONCE):
        i, j = pairs.unbind(dim=1)
        tile[i, j] = (bank_R_D[x_source[i]] - bank_R_D[y_source[j]]).square().sum(dim=1)
    return tile.view(*x.norms.shape, *y.norms.shape)


def _power_of_two(values: Tensor, dim: int | None = None) -> Tensor:
    """What brings the largest magnitude of `values` into [1/2, 1), exactly; along `dim`, which is kept, or over everything."""
    largest = values.abs().amax() if dim is None else values.abs().amax(dim=dim, keepdim=True)
    return torch.ldexp(torch.ones_like(largest), -torch.frexp(largest).exponent)
