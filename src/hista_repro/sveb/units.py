"""How a build is cut into units of work: each is one sampling batch, and what a kill loses at most.

Which requests share a batch decides which random numbers they get, so the sizes of units belong to a build's configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from transformers import AutoConfig

from hista_repro.models import resolve_model
from hista_repro.models.sizes import parameters_of
from hista_repro.sveb.config import BuildConfig

MOST_TOKENS = 1 << 16
"""Of a batch that this package makes."""
TOKENS_OF_OTHERS = 1 << 20
"""For engines that make batches of their own."""
_LEAST_TOKENS = 1 << 11
_WEIGHTS_TIMES_TOKENS = 2.5e13
"""Of a batch that one core of a present CPU writes in a minute or two, whatever the model, where answers are as long as half the limit."""


class Unit(NamedTuple):
    """Some rollouts of some problems."""

    names: tuple[str, ...]
    first: int
    """The number of the first rollout of each problem."""
    count: int
    """How many of each there are."""


def sized(config: BuildConfig) -> BuildConfig:
    """`config` with a size of batches, which follows from engine, model and machine where none was asked for."""
    if config.batch_tokens is not None:
        return config
    if config.engine != "transformers":
        return replace(config, batch_tokens=TOKENS_OF_OTHERS)
    if torch.cuda.is_available():
        return replace(config, batch_tokens=MOST_TOKENS)
    weights = parameters_of(AutoConfig.from_pretrained(resolve_model(config.model), local_files_only=True))
    return replace(config, batch_tokens=max(_LEAST_TOKENS, min(MOST_TOKENS, int(_WEIGHTS_TIMES_TOKENS / weights))))


def of_rollouts(config: BuildConfig, names: Sequence[str], prompts: Mapping[str, int], count: int, first: int = 0) -> list[Unit]:
    """Units that make `count` rollouts, from number `first` on, of each of the problems `names`, in order.

    `prompts` holds the length in tokens of each prompt. Problems of which several fit into a batch share a unit; the rollouts of one that
    does not fit are spread evenly over the fewest units that do.
    """
    units = []
    for part in _fitting(names, prompts, count, config):
        rows = count if len(part) > 1 else max(1, config.batch_tokens // (config.max_tokens + prompts[part[0]]))
        pieces = -(-count // rows)
        ends = [first + count * piece // pieces for piece in range(pieces + 1)]
        units += [Unit(tuple(part), start, end - start) for start, end in pairwise(ends)]
    return units


def of_states(config: BuildConfig, problems: Sequence[str], prompts: Mapping[str, int]) -> list[slice]:
    """Units of states, given by the problem of each: at least one, and otherwise as many as fit into a batch with all continuations."""
    numbers = range(len(problems))
    lengths = {number: prompts[problem] for number, problem in enumerate(problems)}
    parts = _fitting(numbers, lengths, config.references + config.draws, config)
    return [slice(part[0], part[-1] + 1) for part in parts]


def _fitting(items: Sequence, prompts: Mapping, rows_each: int, config: BuildConfig) -> list[list]:
    """`items` in order, in parts that fit into a batch, or hold one item that alone does not."""
    parts: list[list] = []
    longest = 0
    for item in items:
        longest = max(longest, prompts[item])
        if not parts or (len(parts[-1]) + 1) * rows_each * (longest + config.max_tokens) > config.batch_tokens:
            parts.append([])
            longest = prompts[item]
        parts[-1].append(item)
    return parts
