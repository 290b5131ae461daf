"""MinDistance (paper, Definition 5.1) between prefixes of rollouts: every prefix of interest at once, from one product per pair.

With d(i, j) the distance between row i of x and row j of y, the sum over the rows of a prefix of x of the distance to the nearest row
of a prefix of y is a running sum of running minima. Only prefixes that end at one of the given ends are asked for, so the matrix is
reduced to blocks between ends before anything is scanned: what is stored grows with the number of ends, not of rows. The square root
is taken of the minima. Every unordered pair of rollouts is multiplied once: rows of one summed, rows of the other summed.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from math import inf
from typing import Literal, get_args

import torch
from torch import Tensor

from hista_repro.estimators.blocks import Chunk, Ends, Layout
from hista_repro.estimators.tiles import Frame, full_precision, squared_distances
from hista_repro.estimators.validation import check_finite_rows

Reduction = Literal["sum", "mean"]
Metric = Literal["euclidean", "cosine"]


def min_distance(x_T_D: Tensor, y_T_D: Tensor, reduction: Reduction = "sum") -> Tensor:
    """MinDistance of two sequences of vectors (Definition 5.1), a float32 scalar.

    Over the vectors of the longer sequence (of x, where they are equally long), the sum, or the mean, of the Euclidean distance to the
    nearest vector of the shorter. Computed in float32 whatever the inputs are.

    Raises `ValueError` for a sequence that is empty, not (T, D), not finite, or of another D.
    """
    for name, rows_T_D in (("x_T_D", x_T_D), ("y_T_D", y_T_D)):
        if len(rows_T_D) == 0:
            raise ValueError(f"{name} has shape {tuple(rows_T_D.shape)}; a sequence needs at least one vector")
    return prefix_min_distances(x_T_D, y_T_D, [len(x_T_D)], [len(y_T_D)], reduction)[0, 0]


def prefix_min_distances(
    x_T_D: Tensor, y_T_D: Tensor, x_ends: Sequence[int], y_ends: Sequence[int], reduction: Reduction = "sum"
) -> Tensor:
    """(len(x_ends), len(y_ends)): entry (a, b) is `min_distance(x_T_D[: x_ends[a]], y_T_D[: y_ends[b]], reduction)`.

    Ends may come in any order. Raises `ValueError` as `min_distance` does, and for an end outside 1..T.
    """
    x_ends, y_ends = [int(end) for end in x_ends], [int(end) for end in y_ends]
    for name, rows_T_D, ends in (("x", x_T_D, x_ends), ("y", y_T_D, y_ends)):
        check_finite_rows(f"{name}_T_D", rows_T_D, x_T_D.shape[-1])
        if outside := [end for end in ends if not 1 <= end <= len(rows_T_D)]:
            raise ValueError(f"{name}_ends holds {outside[0]}, which is outside 1..{len(rows_T_D)}")
    return pool_distances([x_T_D, y_T_D], [x_ends, []], [[], y_ends], reduction=reduction, own=False)


def check_reduction(reduction: str) -> None:
    """`ValueError` for a reduction that MinDistance does not have."""
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be 'sum' or 'mean', not {reduction!r}")


def pool_distances(
    rows: Sequence[Tensor],
    query_ends: Ends,
    node_ends: Ends,
    *,
    reduction: Reduction = "sum",
    metric: Metric = "euclidean",
    own: bool = True,
) -> Tensor:
    """(Q, M): MinDistance from every query to every node of a group, both in order of rollouts.

    A query is the prefix of `rows[i]` of as many rows as an entry of `query_ends[i]` says, a node likewise. A query without rows is
    infinitely far from everything; so is every query from the nodes of its own rollout, unless `own`. With `metric="cosine"` the
    distance of two vectors is 1 - cos (a vector of zeros is at 1/2 from every other).
    """
    check_reduction(reduction)
    device = rows[0].device
    if not any(chain(*query_ends)) or not any(chain(*node_ends)):
        return torch.full((sum(map(len, query_ends)), sum(map(len, node_ends))), inf, device=device)
    used = [rows_R_D[: max([0, *queries, *nodes])] for rows_R_D, queries, nodes in zip(rows, query_ends, node_ends, strict=True)]
    with full_precision(device):
        layout = Layout.of(Frame.of(used, unit=metric == "cosine"), used, query_ends, node_ends)
        distances = _block_distances(layout, reduction, own)
        return distances[layout.numbers(query_ends)][:, layout.numbers(node_ends)]


def _block_distances(layout: Layout, reduction: Reduction, own: bool) -> Tensor:
    """MinDistance of the prefixes that end with the blocks of querying chunks to those that end with any block.

    One row and one column more, of infinite distances, for the prefix without rows.
    """
    querying, total = layout.chunks[layout.querying - 1].blocks.stop, layout.chunks[-1].blocks.stop
    distances = torch.full((querying + 1, total + 1), inf, device=layout.chunks[0].lengths_C_B.device)
    for one, others in layout.pairs(own):
        over_one, over_others = _prefix_sums(one, others, layout.frame.distance)
        length_B_1_1, lengths_C_B = one.lengths_C_B[0, :, None, None], others.lengths_C_B
        if reduction == "mean":
            over_one, over_others = over_one / length_B_1_1, over_others / lengths_C_B
        from_one = torch.where(length_B_1_1 >= lengths_C_B, over_one, over_others)
        distances[one.blocks, others.blocks] = from_one.flatten(1)
        if others.blocks.stop <= querying:
            from_others = torch.where(lengths_C_B >= length_B_1_1, over_others, over_one)
            distances[others.blocks, one.blocks] = from_others.flatten(1).T
    return distances


def _prefix_sums(one: Chunk, others: Chunk, distance: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Distances to the nearest row, summed over the rows of `one` (a chunk of one rollout) and over the rows of `others`.

    Both (B_one, C, B_others), for every pair of prefixes that end with a block. Summed in float64, so that pairs of equal content get
    equal distances whichever way round they are taken.
    """
    tile = squared_distances(one.rows, others.rows).squeeze(1)  # (S, B_one, S, C, B_others)
    to_one = distance(tile.amin(dim=0).cummin(dim=0).values) * others.counted_S_C_B
    to_others = distance(tile.amin(dim=2).cummin(dim=3).values) * one.counted_S_C_B[:, 0, :, None, None]
    over_one = to_others.sum(dim=0, dtype=torch.float64).cumsum(dim=0)
    over_others = to_one.sum(dim=1, dtype=torch.float64).cumsum(dim=2)
    return over_one.float(), over_others.float()
