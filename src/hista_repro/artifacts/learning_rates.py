"""Is an advantage in training one of the learning rate? The same arms at several rates, and each at the rate that suits it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.training_arms import (
    Arm,
    outcome_table,
    outcomes,
    over_seeds,
    readable_outcomes,
    readable_pairs,
    setting_of,
    size_of,
    train_arms,
)
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.errors import Refused

ArmsByRate = Mapping[float, Sequence[Arm]]
"""Learning rate, ascending -> the arms trained with it: the same names and seeds at each."""


def train_at_rates(
    config: str, runs: Mapping[str, str], rates: Sequence[float], seeds: Sequence[int], settings: Mapping[str, Any]
) -> dict[float, list[Arm]]:
    """The arms of `training_arms.train_arms`, at each of `rates` in the place of the file's learning rate.

    Raises `Refused` for fewer than three seeds, since a rate is chosen by the others and compared on one, for fewer than two different
    rates, and for what `train_arms` refuses.
    """
    if len(seeds) < 3:
        raise Refused(f"seeds must be three or more, not {list(seeds)}: a rate is chosen by all seeds but the one that it is judged by")
    if len(rates) < 2 or len(set(rates)) < len(rates):
        raise Refused(f"rates must be two or more different numbers, not {list(rates)}")
    return {rate: train_arms(config, runs, seeds, {**settings, "learning_rate": rate}) for rate in sorted(rates)}


def rate_table(arms: ArmsByRate) -> pd.DataFrame:
    """One row per arm and rate, the rates of an arm together: learning_rate, and the columns of `training_arms.outcome_table`."""
    return _arm_by_arm(pd.concat([outcome_table(trained).assign(learning_rate=rate) for rate, trained in arms.items()]), "arm")


def readable_rates(arms: ArmsByRate) -> Captioned:
    """Accuracies in training and after it, of every arm at every rate."""
    return _at_all_rates({rate: readable_outcomes(trained) for rate, trained in arms.items()}, "arm")


def readable_rate_pairs(arms: ArmsByRate, pairs: Sequence[tuple[str, str]]) -> Captioned:
    """The paired differences of `training_arms.readable_pairs`, at every rate; a single pair is named in the caption."""
    table = _at_all_rates({rate: readable_pairs(trained, pairs) for rate, trained in arms.items()}, "arms")
    if len(pairs) > 1:
        return table
    return Captioned(table.frame.drop(columns="arms"), f"{' − '.join(pairs[0])}. {table.caption}")


def own_rates(arms: ArmsByRate, name: str, outcome: str) -> pd.Series:
    """Seed -> the rate at which the arm `name` has the most of `outcome` (a column of `training_arms.outcomes`) over the *other* seeds."""
    by_rate = _by_rate(arms, name, outcome)
    others = {seed: by_rate.drop(index=seed).mean() for seed in by_rate.index}
    return pd.Series({seed: mean.idxmax() for seed, mean in others.items()}).rename_axis("seed")


def paired_at_own_rates(arms: ArmsByRate, first: str, second: str, outcome: str) -> Interval:
    """The difference of `outcome` between runs of the same seed, either arm at the rate of `own_rates`, with its 95% interval.

    A seed has no say in the rates at which it is compared. The choices share seeds with each other; what another set of seeds would have
    chosen, the interval does not cover where all of these choose alike.
    """
    chosen = []
    for name in (first, second):
        by_rate, rates = _by_rate(arms, name, outcome), own_rates(arms, name, outcome)
        chosen.append(np.array([by_rate.loc[seed, rate] for seed, rate in rates.items()]))
    return over_seeds(chosen[0] - chosen[1])


def judge_at_own_rates(arms: ArmsByRate, first: str, second: str, outcome: str, claim: str) -> Finding:
    """A claim that the arm `first` has more of `outcome` than `second`, each at the rate that suits it."""
    difference = paired_at_own_rates(arms, first, second, outcome)
    rates = "; ".join(f"{name} at {_chosen_text(own_rates(arms, name, outcome))}" for name in (first, second))
    ours = f"difference of accuracy: {difference.text(signed=True)} ({rates})"
    return Finding(claim, setting_of(next(iter(arms.values()))[0]), "no claim", ours, judge_direction(+1, difference))


def judge_range(arms: ArmsByRate, name: str, outcome: str) -> Finding:
    """That the arm's best rate lies between those tried: that some rate between has more of `outcome` than the smallest and the largest.

    The rate between is that with the best mean; nothing is said where there is none between.
    """
    by_rate = _by_rate(arms, name, outcome)
    claim, setting = f"{name}: the best rate lies between those tried", setting_of(next(iter(arms.values()))[0])
    between = by_rate.columns[1:-1]
    if not len(between):
        return Finding(claim, setting, "no claim", "no rate between the smallest and the largest", Word.NOT_COMPARABLE)
    best = by_rate[between].mean().idxmax()
    edges = {edge: over_seeds(by_rate[best] - by_rate[edge]) for edge in (by_rate.columns[0], by_rate.columns[-1])}
    words = {judge_direction(+1, difference) for difference in edges.values()}
    word = next(word for word in (Word.DISAGREES, Word.UNDECIDED, Word.AGREES) if word in words)
    differences = [f"{rate_text(best)} − {rate_text(edge)}: {difference.text(signed=True)}" for edge, difference in edges.items()]
    return Finding(claim, setting, "no claim", "; ".join(differences), word)


def rate_text(rate: float) -> str:
    """A learning rate as text writes it: "0.0002"."""
    return np.format_float_positional(rate, trim="-")


def size_text(arms: ArmsByRate) -> str:
    """How much was trained, the rates included."""
    rates = list(arms)
    return f"{size_of(arms[rates[0]])}; learning rates {', '.join(map(rate_text, rates[:-1]))} and {rate_text(rates[-1])}"


def _at_all_rates(tables: Mapping[float, Captioned], key: str) -> Captioned:
    """Tables of one rate each as one, with the rate beside the column `key`."""
    frames = []
    for rate, table in tables.items():
        frame = table.frame.copy()
        frame.insert(1, "learning rate", rate_text(rate))
        frames.append(frame)
    return Captioned(_arm_by_arm(pd.concat(frames), key), next(iter(tables.values())).caption)


def _arm_by_arm(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The rows of each value of `key` together, in the order of their first ones, else as they are."""
    places = {name: place for place, name in enumerate(table[key].unique())}
    return table.sort_values(key, key=lambda column: column.map(places), kind="stable", ignore_index=True)


def _chosen_text(rates: pd.Series) -> str:
    """The rates that some seed is judged at."""
    return " or ".join(rate_text(rate) for rate in sorted(rates.unique()))


def _by_rate(arms: ArmsByRate, name: str, outcome: str) -> pd.DataFrame:
    """`outcome` of the arm by seed (rows) and rate (columns, ascending)."""
    return pd.DataFrame({rate: outcomes(next(arm for arm in trained if arm.name == name))[outcome] for rate, trained in arms.items()})
