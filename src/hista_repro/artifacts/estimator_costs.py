"""What an estimator costs by itself: processor seconds of one thread for one group of rollouts, and how they grow with the group.

Groups are made of random numbers: what an estimator computes does not depend on what it finds. Hidden states are given, as training gives
them (see Table 14 for their cost), and values are asked for at every node of the paper's spacing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.training_arms import over_seeds
from hista_repro.artifacts.verdicts import Finding, Interval, Word, number_text
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.estimators.nodes import spacing_for
from hista_repro.progress import progress
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.training.credit import node_positions

_TYPICAL = 1000
"""Tokens of the completions that the paper's spacings suit."""
INTERVAL, STRIDE = spacing_for(_TYPICAL)
PRODUCTS = "matrix products alone"
"""The floor of Hista: the products of the rows of every two rollouts, which its distances are made of."""
AXES = {"rollouts": "rollouts (G)", "tokens": "tokens each (T)", "depth": "dimensions (D)"}
_PROMPT = 20


@dataclass(frozen=True)
class GroupSize:
    """G rollouts of T tokens with hidden states of D dimensions."""

    rollouts: int
    tokens: int
    depth: int

    @property
    def gigabytes(self) -> float:
        """Of the hidden states, in single precision."""
        return self.rollouts * self.tokens * self.depth * 4 / 1e9


def sizes_of(base: Mapping[str, int], series: Mapping[str, Sequence[int]]) -> dict[str, list[GroupSize]]:
    """Axis -> the sizes that differ from `base` along it; raises `Refused` for unknown axes and for series of fewer than two sizes."""
    if set(base) != set(AXES) or not set(series) <= set(AXES) or not series:
        raise Refused(f"base and series: the axes are {', '.join(AXES)}, not {', '.join({*base, *series}) or 'none'}")
    least = {"rollouts": 2, "tokens": INTERVAL * STRIDE, "depth": 1}
    for axis, numbers in (*((name, [number]) for name, number in base.items()), *series.items()):
        if any(not isinstance(number, int) or number < least[axis] for number in numbers):
            raise Refused(f"{axis} must be integers of at least {least[axis]}, not {list(numbers)}")
    if short := [axis for axis, numbers in series.items() if len(set(numbers)) < 2]:
        raise Refused(f"series: growth along {short[0]} needs two or more sizes")
    return {axis: [replace(GroupSize(**base), **{axis: number}) for number in sorted(set(numbers))] for axis, numbers in series.items()}


def random_group(size: GroupSize, seed: int = 0) -> RolloutGroup:
    """A group of that size with random hidden states, score powers and rewards, and texts of random digits and letters, a token each."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "costs"))
    letters = np.array(list("0123456789+-=;"))
    texts = ["".join(letters[torch.randint(len(letters), (size.tokens,), generator=generator)]) for _ in range(size.rollouts)]
    prompt_T_D, *hidden = (torch.randn(rows, size.depth, generator=generator) for rows in (_PROMPT, *[size.tokens] * size.rollouts))
    return RolloutGroup(
        prompt_id="random",
        completions=tuple(texts),
        token_ends=(range(1, size.tokens + 1),) * size.rollouts,
        rewards_G=(torch.rand(size.rollouts, generator=generator) < 0.4).float(),
        hidden_of=lambda layer: HiddenStates(prompt_T_D, tuple(hidden)),
        score_powers_of=lambda: tuple(rows_T_D[:, 0].square() for rows_T_D in hidden),
    )


def measure_costs(sizes: Mapping[str, Sequence[GroupSize]], estimators: Sequence[str], repeats: int) -> pd.DataFrame:
    """One row per axis, size, estimator and repeat: axis, rollouts, tokens, depth, estimator, repeat, seconds.

    All sizes and estimators take turns, so that what else the machine does hits all alike; a first round, in which memory is allocated,
    is not counted. `PRODUCTS` is measured with the estimators. Raises `Refused` for an unknown estimator, one that
    is fitted on other prompts, and fewer than two repeats.
    """
    if repeats < 2:
        raise Refused(f"repeats must be at least 2, not {repeats}")
    every = list(dict.fromkeys(size for series in sizes.values() for size in series))
    chosen = {name: get_estimator(name).for_length(_TYPICAL) for name in estimators}
    if learning := [name for name, estimator in chosen.items() if estimator.learns]:
        raise Refused(f"{learning[0]} is fitted on other prompts, so that its cost is not that of one group")
    seconds: dict[tuple[GroupSize, str, int], float] = {}
    with _one_thread(), progress((repeats + 1) * len(every), "timing estimators", unit="groups") as bar:
        for repeat in range(repeats + 1):
            for size in every:
                group, positions = random_group(size, repeat), node_positions([size.tokens] * size.rollouts, INTERVAL * STRIDE)
                for name, estimator in chosen.items():
                    seconds[size, name, repeat] = cpu_seconds(lambda e=estimator, g=group, p=positions: e.values(g, p))
                seconds[size, PRODUCTS, repeat] = products_seconds(size.rollouts, size.tokens // (INTERVAL * STRIDE) * STRIDE, size.depth)
                bar.update(1)
    rows = [
        {"axis": axis, **vars(size), "estimator": name, "repeat": repeat, "seconds": seconds[size, name, repeat]}
        for axis, series in sizes.items()
        for size in series
        for name in (*chosen, PRODUCTS)
        for repeat in range(1, repeats + 1)
    ]
    return pd.DataFrame(rows)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def products_seconds(rollouts: int, rows: int, depth: int) -> float:
    """CPU seconds of the products of all unordered pairs of rollouts, a rollout with itself included, from the time of a tile.

    The tile suits the processor's caches at any size of the group.
    """
    tile, other = torch.randn(1000, depth), torch.randn(200, depth)
    products = rollouts * (rollouts + 1) / 2 * rows**2
    return cpu_seconds(lambda: [tile @ other.T for _ in range(5)]) / (5 * len(tile) * len(other)) * products


def growth(costs: pd.DataFrame, estimator: str, axis: str) -> Interval:
    """The power of the size along `axis` with which the seconds grow: the slope of their logarithms, with an interval over repeats."""
    part = costs[(costs["estimator"] == estimator) & (costs["axis"] == axis)]
    slopes = [np.polyfit(np.log(rows[axis]), np.log(rows["seconds"].clip(lower=1e-6)), 1)[0] for _, rows in part.groupby("repeat")]
    return over_seeds(slopes)


def ratio(costs: pd.DataFrame, estimator: str, other: str) -> Interval:
    """The seconds of one estimator over those of another at the largest group that was timed, with an interval over repeats."""
    largest = costs[(costs[list(AXES)] == _largest(costs)).all(axis=1)]
    wide = largest.drop_duplicates(["estimator", "repeat"]).pivot(index="repeat", columns="estimator", values="seconds")
    return over_seeds(wide[estimator] / wide[other])


def ratio_range(costs: pd.DataFrame, estimator: str, other: str) -> str:
    """The least and the largest ratio of the seconds of one estimator to those of another over all sizes that were timed, medians of the
    repeats: `0.021 to 0.640`."""
    seconds = costs.groupby([*AXES, "estimator"])["seconds"].median().unstack()
    ratios = seconds[estimator] / seconds[other]
    return f"{number_text(ratios.min())} to {number_text(ratios.max())}"


def readable_costs(costs: pd.DataFrame) -> Captioned:
    """Seconds at the smallest and the largest group, and the power with which they grow along each axis."""
    rows = []
    for name, part in costs.groupby("estimator", sort=False):
        order = part.assign(numbers=part[["rollouts", "tokens", "depth"]].prod(axis=1)).groupby("numbers")["seconds"].median()
        row = {"estimator": name, "seconds, smallest group": f"{order.iloc[0]:.4f}", "seconds, largest group": f"{order.iloc[-1]:.4f}"}
        rows.append(row | {f"power of {AXES[axis]}": growth(costs, name, axis).text() for axis in part["axis"].unique()})
    return Captioned(pd.DataFrame(rows), "Processor seconds of one thread for all values of one group; medians of the repeats.")


def readable_sizes(sizes: Mapping[str, Sequence[GroupSize]]) -> Captioned:
    """The groups that are timed."""
    rows = [
        {"along": AXES[axis], **vars(size), "hidden states (GB)": f"{size.gigabytes:.4f}"}
        for axis, series in sizes.items()
        for size in series
    ]
    return Captioned(pd.DataFrame(rows), "Groups of random numbers that estimators are timed on.")


def judge_quadratic(costs: pd.DataFrame, estimator: str) -> Finding:
    """That an estimator grows at most with the square of the length, as the number of pairs of nodes does.

    The paper bounds space by it (section 5.2) and prints no bound of time, which is what is measured.
    """
    power = growth(costs, estimator, "tokens")
    word = Word.AGREES if power.high <= 2 else Word.DISAGREES if power.low > 2 else Word.UNDECIDED
    claim = f"{estimator} grows at most with the square of the number of nodes"
    paper = "O(⌊T/d⌋²), of space"
    return Finding(claim, _setting(costs), paper, f"time is measured: seconds grow with T to the power {power.text()}", word)


def judge_heavy(costs: pd.DataFrame, estimator: str) -> Finding:
    """That distances are the only heavy part (Appendix F): the products they are made of take more than half of the time of the largest
    group."""
    share = ratio(costs, PRODUCTS, estimator)
    word = Word.AGREES if share.low > 0.5 else Word.DISAGREES if share.high < 0.5 else Word.UNDECIDED
    claim = f"distances are the only heavy part of {estimator}"
    ours = f"products over the whole, at the largest group timed: {share.text()}"
    return Finding(claim, _setting_of_largest(costs), "stage 3 is the only heavy computation", ours, word)


def judge_cheaper(costs: pd.DataFrame, estimator: str, other: str) -> Finding:
    """That an estimator costs next to nothing (section 5.1, of Numca): less than a tenth of another at the largest group."""
    part = ratio(costs, estimator, other)
    word = Word.AGREES if part.high < 0.1 else Word.DISAGREES if part.low > 0.1 else Word.UNDECIDED
    ours = f"seconds over those of {other}, at the largest group timed: {part.text()}"
    return Finding(f"{estimator} costs next to nothing", _setting_of_largest(costs), "negligible", ours, word)


def _largest(costs: pd.DataFrame) -> pd.Series:
    """The size with the most numbers in its hidden states, the first of several."""
    sizes = costs[list(AXES)].reset_index(drop=True)
    return sizes.loc[sizes.prod(axis=1).idxmax()]


def _setting(costs: pd.DataFrame) -> str:
    spans = [f"{letter} {costs[name].min()}–{costs[name].max()}" for name, letter in zip(AXES, "GTD", strict=True)]
    return f"random groups, {', '.join(spans)}"


def _setting_of_largest(costs: pd.DataFrame) -> str:
    largest = _largest(costs)
    return f"a random group, {', '.join(f'{letter} {largest[name]}' for name, letter in zip(AXES, 'GTD', strict=True))}"


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
