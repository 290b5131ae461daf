"""One answer, token by token: what estimators say of every state, what its value is, and whom Hista listens to.

The view is one piece of HTML with its script and its numbers inside: it needs no server and no network, and answers to the mouse, to
touch and to the arrow keys.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hista_repro.artifacts.drawn_values import drawn_values, question
from hista_repro.artifacts.kept_tables import kept_table
from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.estimators.abstract_states import path
from hista_repro.estimators.hista import Hista
from hista_repro.estimators.milestones import Milestone, milestones
from hista_repro.estimators.neighbours import inverse_distance_weights
from hista_repro.estimators.nodes import node_ends
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

ESTIMATORS = ("hista", "hista-loo", "numca", "numca-loo", "loo-mean", "ramp")
NEIGHBOURS = 5
"""Nodes that are shown of those that Hista averages."""
_SHOWN_TEXT = 24
"""Last characters of a neighbour's text."""


@dataclass(frozen=True, repr=False)
class RolloutView:
    """Rollouts of one problem, with everything that the view shows; shows itself in a notebook and in the book."""

    data: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"{len(self.data['rollouts'])} answers to {self.data['problem']!r}, token by token"

    def _repr_html_(self) -> str:
        document = json.dumps(self.data, sort_keys=True, ensure_ascii=False).replace("<", "\\u003c")
        template = (files("hista_repro.artifacts.views") / "rollout.html").read_text(encoding="utf-8")
        name = f"rollout-view-{hashlib.sha256(document.encode()).hexdigest()[:8]}"
        return template.replace("$ID", name).replace("$DATA", document)


def rollout_view(build: Mapping[str, Any], *, rollouts: int = 2, every: int = 1, continuations: int = 20) -> RolloutView:
    """The problem of a build (made if need be) whose answers are the most evenly right and wrong, and the longest `rollouts` of them,
    right and wrong in turns. There is a state after `every` tokens, whose value is the mean of so many `continuations` of it.

    Raises `Refused` for fewer than one rollout, and for an `every` below 1.
    """
    for name, number in (("rollouts", rollouts), ("every", every)):
        if number < 1:
            raise Refused(f"{name} must be 1 or more, not {number}")
    benchmark = Benchmark(record(build))
    name = min(benchmark.groups, key=lambda name: abs(float(benchmark.groups[name].rewards_G.mean()) - 0.5))
    group = benchmark.groups[name]
    chosen = _in_turns(group, rollouts)
    cuts = {i: [*range(0, group.length(i), every), group.length(i)] for i in chosen}
    adapted = {label: get_estimator(label).for_length(benchmark.typical_length) for label in ESTIMATORS}
    values = {label: estimator.values(group, [cuts.get(i, []) for i in range(group.size)]) for label, estimator in adapted.items()}
    references = _references(benchmark, name, cuts, continuations)
    neighbours = _nearest(adapted["hista"], group, cuts)
    asked = question(benchmark, name)
    return RolloutView(
        {
            "problem": asked.problem,
            "answer": asked.answer,
            "model": Path(benchmark.config.model).name,
            "size": group.size,
            "continuations": continuations,
            "estimators": [{"name": label, "information": estimator.information.value} for label, estimator in adapted.items()],
            "rollouts": [
                {
                    "number": i,
                    "reward": float(group.rewards_G[i]),
                    "cuts": cuts[i],
                    "pieces": _pieces(group, i, cuts[i]),
                    "values": {label: [round(float(value), 3) for value in values[label][i]] for label in ESTIMATORS},
                    "successes": references[i],
                    "numbers": _numbers(group, i, cuts[i]),
                    "neighbours": neighbours[i],
                }
                for i in chosen
            ],
        }
    )


def _in_turns(group: RolloutGroup, count: int) -> list[int]:
    """The longest right one, the longest wrong one, the second longest right one, ..."""
    by_length = sorted(range(group.size), key=group.length, reverse=True)
    ranked = [[i for i in by_length if float(group.rewards_G[i]) == reward] for reward in (1.0, 0.0)]
    turns = [(place, number, i) for number, rollouts in enumerate(ranked) for place, i in enumerate(rollouts)]
    return [i for _, _, i in sorted(turns)[:count]]


def _pieces(group: RolloutGroup, i: int, cuts: Sequence[int]) -> list[str]:
    """The text from each state to the next."""
    ends = [len(group.prefix(i, t)) for t in cuts]
    return [group.completions[i][start:end] for start, end in pairwise(ends)]


def _references(benchmark: Benchmark, name: str, cuts: Mapping[int, Sequence[int]], continuations: int) -> dict[int, list[int]]:
    """Rollout -> for every state how many of its continuations succeed. A finished answer is its own continuation."""
    group = benchmark.groups[name]
    states = [(i, t) for i, tokens in cuts.items() for t in tokens if t < group.length(i)]
    drawn = kept_table(drawn_values, benchmark, name, states, continuations)
    found = dict(zip(states, drawn["successes"].tolist(), strict=True))
    finished = {i: round(float(group.rewards_G[i]) * continuations) for i in cuts}
    return {i: [found.get((i, t), finished[i]) for t in tokens] for i, tokens in cuts.items()}


def _numbers(group: RolloutGroup, i: int, cuts: Sequence[int]) -> list[dict[str, Any]]:
    """For every state the numbers so far, and how many other rollouts passed through exactly this set of them."""
    reached = [frozenset(path(number.value for number in milestones(text))) for text in group.completions]
    states = []
    for t in cuts:
        found: list[Milestone] = milestones(group.prefix(i, t))
        texts = dict.fromkeys(group.completions[i][number.start : number.end] for number in found)
        here = path(number.value for number in found)[-1]
        others = sum(here in passed for j, passed in enumerate(reached) if j != i)
        states.append({"texts": list(texts), "others": others})
    return states


def _nearest(estimator: Estimator, group: RolloutGroup, cuts: Mapping[int, Sequence[int]]) -> dict[int, list[list[dict[str, Any]]]]:
    """Rollout -> for every state the nodes with the largest share in Hista's value, nearest first; none before the first row."""
    assert isinstance(estimator, Hista)
    nodes = node_ends([group.length(i) // estimator.interval for i in range(group.size)], estimator.stride)
    flat = [(j, rows) for j, ends in enumerate(nodes) for rows in ends]
    found = {}
    for i, tokens in cuts.items():
        queries = [[t // estimator.interval for t in tokens] if j == i else [] for j in range(group.size)]
        distances_N_M = estimator.distances(group, queries, nodes)
        found[i] = [
            _shares(estimator, group, i, rows, distances_M, flat) for rows, distances_M in zip(queries[i], distances_N_M, strict=True)
        ]
    return found


def _shares(
    estimator: Hista, group: RolloutGroup, i: int, rows: int, distances_M: Tensor, nodes: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """The largest shares in the value of the state of rollout `i` with so many `rows`."""
    if rows == 0 or not nodes:
        return []
    itself = torch.tensor([node == (i, rows) for node in nodes])
    distances_1_M = distances_M.masked_fill(itself, inf)[None]
    weights_M = inverse_distance_weights(distances_1_M, torch.tensor([min(estimator.neighbours, len(nodes))]))[0]
    shares_M = weights_M / weights_M.sum()
    shown = []
    for place in shares_M.topk(min(NEIGHBOURS, len(nodes))).indices.tolist():
        j, rows_there = nodes[place]
        t = rows_there * estimator.interval
        text = group.prefix(j, t)[-_SHOWN_TEXT:]
        distance, share = float(distances_1_M[0, place]), float(shares_M[place])
        if share > 0:
            shown.append({"rollout": j, "tokens": t, "text": text, "distance": round(distance, 1), "share": round(share, 4)})
    return [{**node, "reward": float(group.rewards_G[node["rollout"]]), "own": node["rollout"] == i} for node in shown]
