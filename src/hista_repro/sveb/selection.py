"""Choosing the settings of an estimator (k, layer, metric, temperature, alpha) from the group's rewards alone, without extra samples.

Where an estimator does not know a rollout's own outcome, E[(R - f)^2] = E[(V - f)^2] + E[V (1 - V)] over the states: the Brier score of
its values against the rollout's own reward ranks settings as their squared error to the true value does. In the siblings set this is
leave-one-out cross-validation, since all other rollouts stay in. Here V is the value of a state whose rollout does not end at once, since
one that ended there gives no state; the value of SVEB's references lets continuations end at once, and differs by that one action.

Every token of every rollout has the same chance to be a state, however long its rollout is: a cut that is uniform over the rollout prefers
those that end soon, and would give their outcome too much weight (`states`). And the states of a rollout begin at a random token: were
they on a grid, an estimator with its nodes on the same grid would find a node of the same word for each, as it does nowhere else.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts


def brier(estimator: Estimator, groups: Sequence[RolloutGroup], spacing: int, *, seed: int = 0) -> float:
    """Mean of (R_i - V(s))^2 over a state every `spacing` tokens of every rollout of `groups`, each state weighing the same.

    An estimator that learns comes fitted, on other prompts. Raises `Refused` for the own-return set, and where no rollout has
    a state.
    """
    sums_C_P, states_P = _sums([estimator], groups, spacing, seed)
    return float(sums_C_P.sum() / states_P.sum())


def select(
    candidates: Sequence[Estimator],
    groups: Sequence[RolloutGroup],
    spacing: int,
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Estimator, pd.DataFrame]:
    """The candidate with the least `brier` score, and a table of all.

    One row per candidate, in order: `settings` (its repr), `brier` and its difference `diff` to the best, each with `_low` and `_high`
    at `level` from `repeats` resamples of prompts. The differences are paired, but the best was picked by the same scores, which makes
    others look worse than they are: of many candidates that are all alike, intervals of some exclude 0. Only other prompts, which had no
    say in the choice, can tell the chosen one from another. Raises `Refused` as `brier` does, and where no candidate is named.
    """
    if not candidates:
        raise Refused("no candidate is named; name one or more")
    sums_C_P, states_P = _sums(candidates, groups, spacing, seed)
    scores_C = sums_C_P.sum(axis=1) / states_P.sum()
    best = int(scores_C.argmin())
    resamples_R_P = resampled_prompts(len(groups), repeats, np.random.default_rng(derive_seed(seed, "selection")))
    draws_C_R = (sums_C_P @ resamples_R_P.T) / (resamples_R_P @ states_P)
    table = {"settings": [repr(candidate) for candidate in candidates]}
    for name, values_C, draws in (("brier", scores_C, draws_C_R), ("diff", scores_C - scores_C[best], draws_C_R - draws_C_R[best])):
        low_C, high_C = percentile_interval(draws, level, len(groups))
        table |= {name: values_C, f"{name}_low": low_C, f"{name}_high": high_C}
    return candidates[best], pd.DataFrame(table)


def _sums(candidates: Sequence[Estimator], groups: Sequence[RolloutGroup], spacing: int, seed: int) -> tuple[Array, Array]:
    """(C, P) sums of squared errors over the states of each prompt, and (P,) numbers of states."""
    for candidate in candidates:
        if not candidate.information.unbiased:
            raise Refused(
                f"{candidate.name} knows the rollout's own reward, so its Brier score rewards leaking it and not knowing values; "
                "choose an estimator of the prefix or siblings set"
            )
    if not groups:
        raise ValueError("groups is empty")
    check_at_least_one(spacing=spacing)
    sums_C_P, states_P = np.zeros((len(candidates), len(groups))), np.zeros(len(groups))
    for p, group in enumerate(groups):  # one after the other, since the hidden states of all may not fit into memory
        positions = _positions(group, spacing, seed)
        states_P[p] = sum(map(len, positions))
        for c, candidate in enumerate(candidates):
            values = candidate.values(group, positions)
            errors = [(values_n - reward).double().square() for values_n, reward in zip(values, group.rewards_G.tolist(), strict=True)]
            sums_C_P[c, p] = float(sum(error_n.sum() for error_n in errors))
    if not states_P.any():
        raise Refused(f"no rollout has a state at spacing={spacing}; choose a smaller spacing, or groups with longer completions")
    return sums_C_P, states_P


def _positions(group: RolloutGroup, spacing: int, seed: int) -> list[range]:
    firsts = np.random.default_rng(derive_seed(seed, "selection", group.prompt_id)).integers(1, spacing + 1, size=group.size)
    return [range(int(first), group.length(i), spacing) for i, first in enumerate(firsts)]
