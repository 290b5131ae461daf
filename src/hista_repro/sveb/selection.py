"""Choosing the settings of an estimator (k, layer, metric, temperature, alpha) from the group's rewards alone, without extra samples.

Where an estimator does not know a rollout's own outcome, E[(R - f)^2] = E[(V - f)^2] + E[V (1 - V)] over the states: the Brier score of
its values against the rollout's own reward ranks settings as their squared error to the true value does. In the siblings set this is
leave-one-out cross-validation, since all other rollouts stay in. States are cut where the benchmark cuts them, at any token: on a grid of
tokens an estimator whose nodes lie on the same grid would find a node of the same word for every state, as it does nowhere else.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts
from hista_repro.sveb.states import cut_states


def brier(estimator: Estimator, groups: Sequence[RolloutGroup], states: int, *, seed: int = 0) -> float:
    """Mean of (R_i - V(s))^2 over `states` states of every rollout of `groups` (`sveb.states.cut_states`), each weighing the same.

    An estimator that learns comes fitted, on other prompts. Raises `Refused` for the own-return set.
    """
    sums_P, states_P = _sums(estimator, groups, states, seed)
    return float(sums_P.sum() / states_P.sum())


def select(
    candidates: Sequence[Estimator],
    groups: Sequence[RolloutGroup],
    states: int,
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Estimator, pd.DataFrame]:
    """The candidate with the least `brier` score, and a table of all.

    One row per candidate, in order: `settings` (its repr), `brier` and its difference `diff` to the best, each with `_low` and `_high`
    at `level` from `repeats` resamples of prompts. The differences are paired, but the best was picked by the same scores: an interval
    that excludes 0 says that a candidate is worse, one that includes it that the choice between the two is open.
    """
    if not candidates:
        raise Refused("no candidate is named; name one or more")
    sums = [_sums(candidate, groups, states, seed) for candidate in candidates]
    sums_C_P, states_P = np.stack([of_candidate for of_candidate, _ in sums]), sums[0][1]
    scores_C = sums_C_P.sum(axis=1) / states_P.sum()
    best = int(scores_C.argmin())
    resamples_R_P = resampled_prompts(len(groups), repeats, np.random.default_rng(derive_seed(seed, "selection")))
    draws_C_R = (sums_C_P @ resamples_R_P.T) / (resamples_R_P @ states_P)
    table = {"settings": [repr(candidate) for candidate in candidates]}
    for name, values_C, draws in (("brier", scores_C, draws_C_R), ("diff", scores_C - scores_C[best], draws_C_R - draws_C_R[best])):
        low_C, high_C = percentile_interval(draws, level, len(groups))
        table |= {name: values_C, f"{name}_low": low_C, f"{name}_high": high_C}
    return candidates[best], pd.DataFrame(table)


def _sums(estimator: Estimator, groups: Sequence[RolloutGroup], states: int, seed: int) -> tuple[Array, Array]:
    """(P,) sums of squared errors over the states of each prompt, and (P,) numbers of states."""
    if not estimator.information.unbiased:
        raise Refused(
            f"{estimator.name} knows the rollout's own reward, so its Brier score rewards leaking it and not knowing values; "
            "choose an estimator of the prefix or siblings set"
        )
    if not groups:
        raise ValueError("groups is empty")
    if states < 1:
        raise ValueError(f"states must be at least 1, not {states}")
    sums, counts = [], []
    for group in groups:
        values = estimator.values(group, _positions(group, states, seed))
        errors = [(values_n - reward).double().square() for values_n, reward in zip(values, group.rewards_G.tolist(), strict=True)]
        sums.append(float(sum(error_n.sum() for error_n in errors)))
        counts.append(sum(map(len, errors)))
    return np.array(sums), np.array(counts, dtype=np.float64)


def _positions(group: RolloutGroup, states: int, seed: int) -> list[list[int]]:
    lengths = [group.length(i) for i in range(group.size)]
    positions: list[list[int]] = [[] for _ in lengths]
    for sample, token in cut_states(group.prompt_id, lengths, states * group.size, seed):
        positions[sample].append(token)
    return positions
