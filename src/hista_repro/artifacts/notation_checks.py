"""Whether the tensors of a real group are what the paper's notation (Table 17) says they are; each rule is computed afresh here."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hista_repro.artifacts.notation import Held
from hista_repro.artifacts.verdicts import Finding, Word
from hista_repro.estimators import hista_values, min_distance, smooth
from hista_repro.estimators.milestones import milestones
from hista_repro.estimators.numca import numca_values

_TOLERANCE = 1e-4
_TIE = 1e-5
"""Relative difference of distances that count as equal."""
_WORDS = {True: Word.AGREES, False: Word.DISAGREES, None: Word.NOT_COMPARABLE}


def judge_notation(held: Held, setting: str) -> list[Finding]:
    """A finding for each definition of the table that can be held against numbers."""
    checks = (_states, _reference, _abstract_states, _sequence, _rows, _nodes, _distance, _weights, _smoothing)
    findings = []
    for check in checks:
        claim, paper, ours, same = check(held)
        findings.append(Finding(claim, setting, paper, ours, _WORDS[same]))
    return findings


_Check = tuple[str, str, str, bool | None]
"""The definition, what it comes to in the paper and here, and whether that is the same (None: there was nothing to check)."""


def _states(held: Held) -> _Check:
    states, estimates = len(held.states), len(held.scores)
    return "N counts the states of the benchmark", "one value each", f"{states} states, {estimates} values", states == estimates


def _reference(held: Held) -> _Check:
    means = held.states.set_index("state_id")["rewards"].map(np.mean)
    worst = float((held.scores.set_index("state_id")["reference"] - means).abs().max())
    same = worst < _TOLERANCE
    return "The reference value is a mean of n rewards", "(1/n) Σ r", f"{'the same' if same else f'up to {worst:.3f} apart'}", same


def _abstract_states(held: Held) -> _Check:
    """The empty set of milestones is left out: Algorithm 1 never counts it."""
    group = held.group
    paths = [_sets_of_milestones(text) for text in group.completions]
    right = []
    for path, values in zip(paths, numca_values(group.completions, group.rewards_G), strict=True):
        for numbers, (_, value) in zip(path, values[1:], strict=True):
            passing = [float(reward) for other, reward in zip(paths, group.rewards_G, strict=True) if numbers in other]
            right.append(abs(value - float(np.mean(passing))) < _TOLERANCE)
    claim = "The value of a set of milestones is the mean reward of the rollouts that hold it"
    return claim, "Algorithm 1", *_tally(right, "sets on the way of a rollout")


def _sets_of_milestones(text: str) -> list[frozenset]:
    seen: list[frozenset] = [frozenset()]
    for milestone in milestones(text):
        if milestone.value not in seen[-1]:
            seen.append(seen[-1] | {milestone.value})
    return seen[1:]


def _sequence(held: Held) -> _Check:
    rows, prompt = len(held.pipeline.hidden_T_D), len(held.group.prompt_token_ids)
    tokens = held.group.length(held.pipeline.rollout)
    ours = f"{rows} rows for the {tokens} tokens of the answer, those of the {prompt} of the prompt apart"
    return "η counts the tokens of a state", "prompt and answer", ours, rows == prompt + tokens


def _rows(held: Held) -> _Check:
    counts, interval = held.pipeline.counts, held.pipeline.interval
    shape = f"{counts['R']} × {counts['D']} for η = {counts['T']}, φ = {interval}"
    same = (counts["R"], counts["D"]) == (counts["T"] // interval, counts["D"])
    return "A rollout is compressed to a row every φ tokens", "⌊η/φ⌋ × d", shape, same


def _nodes(held: Held) -> _Check:
    pipeline = held.pipeline
    ends, delta = pipeline.nodes[pipeline.rollout], pipeline.interval * pipeline.stride
    ours = f"{ends[0]} × {pipeline.counts['D']} for i = 1, δ = {delta} tokens, φ = {pipeline.interval}"
    same = all(rows == number * delta for number, rows in enumerate(ends, start=1))
    return "The i-th state of a rollout has iδ rows", "iδ × d", ours, same


def _distance(held: Held) -> _Check:
    """Definition 5.1, between the last node of the rollout and each node of the rollout."""
    pipeline = held.pipeline
    whole, *shorter = (pipeline.rows_R_D[:rows] for rows in reversed(pipeline.nodes[pipeline.rollout]))
    plain = [float(torch.cdist(whole.double(), rows.double()).min(dim=1).values.sum()) for rows in shorter]
    found = [float(min_distance(whole, rows)) for rows in shorter]
    claim = "MinDistance adds up, over the longer sequence, the distances to the nearest of the shorter"
    return claim, "definition 5.1", *_tally(np.isclose(plain, found, rtol=1e-3, atol=1e-2).tolist(), "pairs of nodes")


def _weights(held: Held) -> _Check:
    """Of nodes that tie for the last place the formula takes any; a value has to lie between the least and the most that gives."""
    pipeline, rewards_G = held.pipeline, held.group.rewards_G
    spacing = {"alpha": held.alpha, "interval": pipeline.interval, "stride": pipeline.stride, "neighbours": pipeline.neighbours}
    values_M = torch.cat(hista_values(held.group.hidden().completions, rewards_G, **spacing))
    rewards_M = rewards_G.double().repeat_interleave(torch.tensor([len(nodes) for nodes in pipeline.nodes]))
    right = []
    for node, value in enumerate(values_M.tolist()):
        others_M = torch.arange(len(values_M)) != node
        distances_M = pipeline.distances_M_M[node, others_M].double()
        if distances_M.min() > 0:  # else the formula divides by zero
            low, high = _weighted_means(distances_M, rewards_M[others_M], pipeline.counts["K"])
            right.append(low - _TOLERANCE < value < high + _TOLERANCE)
    ours, same = _tally(right, "nodes of the group; others are at distance zero from one")
    return "A value weights the k nearest rewards by ω = 1/MD", "equation 5.2", ours, same


def _weighted_means(distances_M: Tensor, rewards_M: Tensor, k: int) -> tuple[float, float]:
    """The least and the largest value that the formula gives, whichever of the nodes that tie for the last place it takes."""
    last = distances_M.sort().values[k - 1]
    inside_M, tied_M = distances_M < last * (1 - _TIE), (distances_M / last - 1).abs() <= _TIE
    weights_K, places = 1 / distances_M[inside_M], k - int(inside_M.sum())
    total = weights_K.sum() + places / last
    tied = rewards_M[tied_M].sort().values
    least, most = (
        ((weights_K * rewards_M[inside_M]).sum() + chosen.sum() / last) / total for chosen in (tied[:places], tied[len(tied) - places :])
    )
    return float(least), float(most)


def _tally(right: Sequence[bool], things: str) -> tuple[str, bool | None]:
    """How many of what was checked is right, in words, and whether all is; None where there was nothing to check."""
    return f"so for {sum(right)} of {len(right)} {things}", all(right) if right else None


def _smoothing(held: Held) -> _Check:
    try:
        smooth(held.pipeline.hidden_T_D, 1.0, held.pipeline.interval)
    except ValueError:
        return "α may be anything from 0 to 1", "1 included", "1 refused: with it nothing after the first token is read", False
    return "α may be anything from 0 to 1", "1 included", "1 accepted", True
