"""Writing on: a token a step for each row of a batch, until it ends.

This is transformers' `generate` with nothing but a temperature, made for a CPU. That one keeps each row until the last has ended, and
draws with `torch.multinomial`, which for a vocabulary of 49,152 takes as long as all matrix products of a model of 135M parameters.
"""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from hista_repro.progress import Report, unheard
from hista_repro.rollouts.recorded_hidden import recorded_hidden

_BLOCK = 256
"""Words of a vocabulary that are added up before the place of a draw is sought: a cumulative sum over all of it would take much longer."""
_BELOW_ONE = 1 - 2**-53
"""The largest share: times a total it is still below the total."""
_FEWER = 0.75
"""The share of a batch's rows below which those that go on are moved together; it costs one copy of what they have read."""


class Written(NamedTuple):
    """What one row adds."""

    ids: list[int]
    hidden_T_D: Tensor | None
    """After each token but one that ends the sequence, where they were asked for."""


def write_on(
    model: PreTrainedModel,
    cache: DynamicCache,
    next_R: Tensor,
    mask_R_T: Tensor,
    *,
    limits: Sequence[int],
    temperature: float,
    seed: int,
    ends: Callable[[int, int], bool],
    eos: Collection[int] = (),
    keep_hidden: bool = False,
    report: Report = unheard,
) -> list[Written]:
    """What each of R rows adds: at most as many tokens as `limits` says, the one for which `ends(row, token)` is true included.

    `cache` holds all that the rows have read but for their last token, `next_R`; `mask_R_T` covers that too. A row's random numbers depend
    on `seed` and its place in the batch, not on when others end.
    """
    device = next_R.device
    generator = torch.Generator().manual_seed(seed)
    written: list[list[int]] = [[] for _ in limits]
    held = torch.arange(len(limits))
    read, steps = mask_R_T.shape[1], max(limits, default=0)
    mask_R_T = torch.cat([mask_R_T, mask_R_T.new_ones(len(limits), steps)], dim=1)
    positions_R_1 = mask_R_T[:, :read].sum(1, keepdim=True) - 1
    # rows that have ended are held for a while, and must not run out of positions
    last_R_1 = positions_R_1 + torch.tensor(limits, device=device)[:, None].clamp(min=0)
    tokens_R_1 = next_R[:, None]
    going_on = [row for row, limit in enumerate(limits) if limit > 0]
    hidden_R_T_D: Tensor | None = None

    def step_on(cache: DynamicCache, chosen: Tensor | slice, step: int) -> Tensor:
        """Let the rows held at the places `chosen` read their last token; the logits after it."""
        nonlocal hidden_R_T_D
        with recorded_hidden(model) as found:
            logits_R_V = model(
                input_ids=tokens_R_1[chosen],
                attention_mask=mask_R_T[chosen, : read + step],
                position_ids=torch.minimum(positions_R_1 + step, last_R_1)[chosen],
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
        if keep_hidden and step:
            if hidden_R_T_D is None:
                hidden_R_T_D = found[0].new_empty(len(limits), steps, found[0].shape[-1])
            rows = held[chosen.cpu() if isinstance(chosen, Tensor) else chosen]  # `held` stays off the device
            hidden_R_T_D[rows.to(device), step - 1] = found[0][:, -1]
        return logits_R_V

    def read_last(step: int) -> None:
        """Let rows that have just ended, and are about to be let go, read the token with which they did."""
        just = [row in stopped and written[row][-1] not in eos for row in held.tolist()]
        if keep_hidden and any(just):
            places = torch.tensor(just).nonzero()[:, 0].to(device)
            step_on(_of_rows(cache, places), places, step)

    stopped: set[int] = set()
    for step in range(steps):
        if len(going_on) <= _FEWER * len(held):
            read_last(step)
            place = {row: index for index, row in enumerate(held.tolist())}
            kept = torch.tensor([place[row] for row in going_on])
            held, kept = held[kept], kept.to(device)
            cache.batch_select_indices(kept)
            mask_R_T, tokens_R_1 = mask_R_T[kept], tokens_R_1[kept]
            positions_R_1, last_R_1 = positions_R_1[kept], last_R_1[kept]
        logits_R_V = step_on(cache, slice(None), step)
        uniform_R = torch.rand(len(limits), generator=generator, dtype=torch.float64)[held]  # at most _BELOW_ONE
        tokens_R_1 = draw(logits_R_V, temperature, uniform_R.to(device))[:, None]
        drawn = dict(zip(held.tolist(), tokens_R_1[:, 0].tolist(), strict=True))
        for row in going_on:
            written[row].append(drawn[row])
        stopped = {row for row in going_on if len(written[row]) == limits[row] or ends(row, drawn[row])}
        report(len(going_on), len(stopped))
        going_on = [row for row in going_on if row not in stopped]
        if not going_on:
            read_last(step + 1)
            break
    if hidden_R_T_D is None:
        return [Written(ids, None) for ids in written]
    return [Written(ids, hidden_R_T_D[row, : len(ids)].clone()) for row, ids in enumerate(written)]


def _of_rows(cache: DynamicCache, places: Tensor) -> DynamicCache:
    """A cache of its own for the rows at `places`."""
    chosen = copy(cache)
    chosen.layers = [copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(places)
    return chosen


def draw(logits_R_V: Tensor, temperature: float, uniform_R: Tensor) -> Tensor:
    """A token (R,) for each row of logits: where its share `uniform_R`, in [0, 1), of the cumulative distribution lies; the most likely one
    at temperature 0."""
    if temperature == 0:
        return logits_R_V.argmax(-1)
    rows, words = logits_R_V.shape
    if words % _BLOCK:
        logits_R_V = torch.nn.functional.pad(logits_R_V, (0, -words % _BLOCK), value=float("-inf"))
    largest_R_1 = logits_R_V.amax(-1, keepdim=True).float()
    weights_R_V = logits_R_V.to(torch.float32, copy=True).sub_(largest_R_1).div_(temperature).exp_()
    weights_R_B_W = weights_R_V.view(rows, -1, _BLOCK)
    block_R, rest_R = _where(weights_R_B_W.sum(-1), uniform_R)
    word_R, _ = _where(weights_R_B_W[torch.arange(rows, device=block_R.device), block_R], rest_R)
    return block_R * _BLOCK + word_R


def _where(weights_R_N: Tensor, uniform_R: Tensor) -> tuple[Tensor, Tensor]:
    """Which of N things (R,), in proportion to their weights, has the share `uniform_R` within; and where in it that lies, in [0, 1)."""
    weights_R_N = weights_R_N.double()
    reached_R_N = weights_R_N.cumsum(-1)
    sought_R_1 = uniform_R.double()[:, None] * reached_R_N[:, -1:]
    found_R_1 = torch.searchsorted(reached_R_N, sought_R_1, right=True)
    weight_R_1 = weights_R_N.gather(1, found_R_1)
    within_R_1 = (sought_R_1 - reached_R_N.gather(1, found_R_1) + weight_R_1) / weight_R_1
    return found_R_1[:, 0], within_R_1[:, 0].clamp(0, _BELOW_ONE)
