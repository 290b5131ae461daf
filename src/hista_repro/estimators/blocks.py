"""Rollouts cut into blocks of rows, so that a matrix of distances can be reduced from rows to prefixes before it is scanned."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from hista_repro.estimators.tiles import Frame, Rows

Ends = Sequence[Sequence[int]]
"""For each rollout the lengths, in rows, of some of its prefixes."""

_SCAN_COST = 0.5
"""What scanning a block costs, in units of the products of one row: measured at D = 896 on a CPU."""
_CHUNK_ROWS_CPU, _CHUNK_ROWS = 1024, 8192  # a tile of a CPU should stay in its cache, that of an accelerator should fill it


@dataclass(frozen=True)
class Chunk:
    """C rollouts of about one length, each cut into B blocks of at most S rows; shorter rollouts are padded behind their last block.

    Scans run forward, so that no prefix ever sees the padding behind it. Padding inside a block repeats a row of the block, which leaves
    its minimum alone.
    """

    rows: Rows  # (S, C, B): the position in the block comes first, so that its minimum reduces a leading dimension
    counted_S_C_B: Tensor  # 1.0, or 0.0 for padding
    lengths_C_B: Tensor  # rows of the prefix that ends with the block
    first_block: int  # its number among the blocks of all chunks

    @classmethod
    def of(
        cls, frame: Frame, rows: Sequence[Tensor], stops: Sequence[Sequence[int]], rollouts: Sequence[int], size: int, first_block: int
    ) -> Self:
        """The chunk of `rollouts`; `stops[i]` are the rows at which the blocks of rollout i end, `size` is S."""
        device = frame.centre_D.device
        longest = max(len(stops[i]) for i in rollouts)
        normalised_S_C_B_D = torch.empty(size, len(rollouts), longest, len(frame.centre_D), device=device)
        counted_S_C_B = torch.zeros(size, len(rollouts), longest, device=device)
        lengths_C_B = torch.zeros(len(rollouts), longest, dtype=torch.long, device=device)
        for c, i in enumerate(rollouts):
            blocks = len(stops[i])
            stops_B = torch.tensor(stops[i], device=device)
            starts_B = torch.cat([stops_B.new_zeros(1), stops_B[:-1]])
            source_S_B = starts_B + torch.arange(size, device=device)[:, None]
            normalised_S_C_B_D[:, c, :blocks] = frame.normalise(rows[i])[source_S_B.minimum(stops_B - 1)]
            normalised_S_C_B_D[:, c, blocks:] = frame.centre_D
            counted_S_C_B[:, c, :blocks] = (source_S_B < stops_B).float()
            lengths_C_B[c, :blocks] = stops_B
        return cls(Rows.of(normalised_S_C_B_D, frame), counted_S_C_B, lengths_C_B, first_block)

    def between(self, start: int, stop: int) -> "Chunk":
        """The chunk of its rollouts start..stop-1."""
        part, first_block = (slice(None), slice(start, stop)), self.first_block + start * self.lengths_C_B.shape[1]
        return Chunk(self.rows[part], self.counted_S_C_B[part], self.lengths_C_B[start:stop], first_block)

    @property
    def blocks(self) -> slice:
        """The numbers of its blocks among those of all chunks."""
        return slice(self.first_block, self.first_block + self.lengths_C_B.numel())


@dataclass(frozen=True)
class Layout:
    """All rollouts with a prefix to look at: in chunks, those with queries first, long before short."""

    frame: Frame
    chunks: list[Chunk]
    querying: int
    """How many of the chunks hold queries."""
    block_of: dict[tuple[int, int], int]
    """(rollout, rows) -> number of the block with which that prefix ends."""

    @classmethod
    def of(cls, frame: Frame, rows: Sequence[Tensor], query_ends: Ends, node_ends: Ends) -> Self:
        """The layout in which every query and every node ends with a block."""
        edges = [sorted({0, *queries, *nodes}) for queries, nodes in zip(query_ends, node_ends, strict=True)]
        size = _block_size(Counter(end - start for ends in edges for start, end in pairwise(ends)))
        stops = [[min(row + size, end) for start, end in pairwise(ends) for row in range(start, end, size)] for ends in edges]
        chunks: list[Chunk] = []
        block_of: dict[tuple[int, int], int] = {}
        total = querying = 0
        for has_queries in (True, False):
            order = sorted((i for i, ends in enumerate(query_ends) if stops[i] and any(ends) is has_queries), key=lambda i: -len(stops[i]))
            for rollouts in _runs(order, [len(ends) * size for ends in stops], frame.centre_D.device):
                chunks.append(Chunk.of(frame, rows, stops, rollouts, size, total))
                longest = chunks[-1].lengths_C_B.shape[1]
                for c, i in enumerate(rollouts):
                    block_of |= {(i, stop): total + c * longest + b for b, stop in enumerate(stops[i])}
                total += len(rollouts) * longest
            querying = querying or len(chunks)
        return cls(frame, chunks, querying, block_of)

    def pairs(self, own: bool) -> Iterator[tuple[Chunk, Chunk]]:
        """Every rollout with queries beside those after it, and beside itself if `own`, so that every pair with queries comes once."""
        for number, chunk in enumerate(self.chunks[: self.querying]):
            rollouts = len(chunk.lengths_C_B)
            for c in range(rollouts):
                one, first = chunk.between(c, c + 1), c if own else c + 1
                if first < rollouts:
                    yield one, chunk.between(first, rollouts)
                for others in self.chunks[number + 1 :]:
                    yield one, others

    def numbers(self, ends: Ends) -> Tensor:
        """The block with which each prefix ends, in order of rollouts; -1 for a prefix without rows."""
        found = [self.block_of.get((i, int(end)), -1) for i, rollout in enumerate(ends) for end in rollout]
        return torch.tensor(found, dtype=torch.long, device=self.chunks[0].lengths_C_B.device)


def _block_size(gaps: Counter[int]) -> int:
    """The block size that costs least for gaps between ends: products grow with the square of the padded rows, scans with the blocks."""

    def cost(size: int) -> float:
        padded_rows = sum(count * -(-gap // size) * size for gap, count in gaps.items())
        return padded_rows**2 * (1 + _SCAN_COST / size)

    return min({max(1, gap // parts) for gap in gaps for parts in (1, 2)}, key=cost)


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
