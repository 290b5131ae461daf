"""Rollouts cut into blocks of rows, so that a matrix of distances can be reduced from rows to prefixes before it is scanned."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.tiles import Bank, Rows

Ends = Sequence[Sequence[int]]
"""For each rollout the lengths, in rows, of some of its prefixes."""

_CHUNK_ROWS_CPU, _CHUNK_ROWS = 1024, 8192  # a tile of a CPU should stay in its cache, that of an accelerator should fill it


@dataclass(frozen=True)
class Chunk:
    """C rollouts of about one length, each cut into B blocks of at most S rows; shorter rollouts are padded behind their last block.

    Scans run forward, so that no prefix ever sees the padding behind it. Padding inside a block repeats a row of the block, which leaves
    its minimum alone.
    """

    rows: Rows  # (C, S, B): the position in the block comes first, so that its minimum reduces a leading dimension
    counted_C_S_B: Tensor  # 1.0, or 0.0 for padding
    lengths_C_B: Tensor  # rows of the prefix that ends with the block
    first_block: int  # its number among the blocks of all chunks

    @classmethod
    def of(cls, bank: Bank, rollouts: Sequence[int], stops: Sequence[Sequence[int]], size: int, first_block: int) -> Self:
        """The chunk of `rollouts`; `stops[i]` are the rows at which the blocks of rollout i end, `size` is S."""
        shape = (len(rollouts), size, max(len(stops[i]) for i in rollouts))
        source_C_S_B = torch.full(shape, -1)
        counted_C_S_B = torch.zeros(shape)
        lengths_C_B = torch.zeros(shape[0], shape[2], dtype=torch.long)
        for c, i in enumerate(rollouts):
            stops_B = torch.tensor(stops[i])
            starts_B = torch.cat([stops_B.new_zeros(1), stops_B[:-1]])
            rows_S_B = starts_B + torch.arange(size)[:, None]
            source_C_S_B[c, :, : len(stops_B)] = bank.offsets[i] + rows_S_B.minimum(stops_B - 1)
            counted_C_S_B[c, :, : len(stops_B)] = (rows_S_B < stops_B).float()
            lengths_C_B[c, : len(stops_B)] = stops_B
        device = bank.rows_R_D.device
        rows = bank.select(source_C_S_B.to(device))
        return cls(rows, counted_C_S_B.to(device), lengths_C_B.to(device), first_block)

    def __getitem__(self, index: slice) -> "Chunk":
        skipped = index.indices(len(self.lengths_C_B))[0] * self.lengths_C_B.shape[1]
        return Chunk(self.rows[index], self.counted_C_S_B[index], self.lengths_C_B[index], self.first_block + skipped)

    @property
    def blocks(self) -> slice:
        """The numbers of its blocks among those of all chunks."""
        return slice(self.first_block, self.first_block + self.lengths_C_B.numel())


@dataclass(frozen=True)
class Layout:
    """All rollouts with a prefix to look at: in chunks, those with queries first, long before short."""

    chunks: list[Chunk]
    querying: int
    """How many of the chunks hold queries."""
    block_of: dict[tuple[int, int], int]
    """(rollout, rows) -> number of the block with which that prefix ends."""

    @classmethod
    def of(cls, bank: Bank, query_ends: Ends, node_ends: Ends) -> Self:
        """The layout in which every query and every node ends with a block."""
        edges = [sorted({0, *queries, *nodes}) for queries, nodes in zip(query_ends, node_ends, strict=True)]
        gaps = sorted(end - start for ends in edges for start, end in pairwise(ends))
        size = gaps[len(gaps) // 2]
        stops = [[min(row + size, end) for start, end in pairwise(ends) for row in range(start, end, size)] for ends in edges]
        chunks: list[Chunk] = []
        block_of: dict[tuple[int, int], int] = {}
        total = querying = 0
        for has_queries in (True, False):
            order = sorted((i for i, ends in enumerate(query_ends) if stops[i] and any(ends) is has_queries), key=lambda i: -len(stops[i]))
            for rollouts in _runs(order, [len(ends) * size for ends in stops], bank.rows_R_D.device):
                chunks.append(Chunk.of(bank, rollouts, stops, size, total))
                width = chunks[-1].lengths_C_B.shape[1]
                for c, i in enumerate(rollouts):
                    block_of |= {(i, stop): total + c * width + b for b, stop in enumerate(stops[i])}
                total += len(rollouts) * width
            querying = querying or len(chunks)
        return cls(chunks, querying, block_of)

    def numbers(self, ends: Ends) -> Tensor:
        """The block with which each prefix ends, in order of rollouts; -1 for a prefix without rows."""
        found = [self.block_of.get((i, int(end)), -1) for i, rollout in enumerate(ends) for end in rollout]
        return torch.tensor(found, dtype=torch.long, device=self.chunks[0].lengths_C_B.device)


def _runs(order: Sequence[int], rows: Sequence[int], device: torch.device) -> list[list[int]]:
    """`order` in runs that have, padded to their longest and first, no more rows than suit the device, but at least one rollout."""
    limit = _CHUNK_ROWS_CPU if device.type == "cpu" else _CHUNK_ROWS
    runs: list[list[int]] = []
    for i in order:
        if runs and (len(runs[-1]) + 1) * rows[runs[-1][0]] <= limit:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs
