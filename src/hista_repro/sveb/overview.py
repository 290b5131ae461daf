"""What a finished build is like, in a few numbers that decide what it can show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hista_repro.problems.grading import Outcome
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.records import read_table


@dataclass(frozen=True)
class Overview:
    """Of the rollouts that states were cut from, and of these states. Shares lie in [0, 1]."""

    problems: int
    """Those that were kept."""
    states: int
    mean_tokens: float
    """Of a rollout."""
    accuracy: float
    """Mean reward of a rollout."""
    unparsed: float
    """Share of rollouts without an answer that can be read."""
    truncated: float
    """Share of rollouts that were cut off at the length limit."""
    same_text: float
    """Share of states whose text so far another rollout of the group has too, token by token."""

    def __str__(self) -> str:
        return (
            f"{self.problems} problems and {self.states} states; rollouts have {self.mean_tokens:.0f} tokens on average, "
            f"{self.accuracy:.0%} are right, {self.unparsed:.0%} cannot be read, {self.truncated:.0%} are cut off; "
            f"{self.same_text:.0%} of states share their text with another rollout"
        )


def overview(folder: Path) -> Overview:
    """That of the build in `folder`; raises `Refused` where there is none. No model is loaded."""
    benchmark, rollouts = Benchmark(folder), read_table(folder, "rollouts")
    shared = [
        _is_shared(benchmark.cut_from[name].token_ids, *state) for name, states in benchmark.states.items() for state in _places(states)
    ]
    return Overview(
        problems=len(benchmark),
        states=len(shared),
        mean_tokens=float(rollouts.token_ids.map(len).mean()),
        accuracy=float(rollouts.reward.mean()),
        unparsed=float((rollouts.outcome == Outcome.UNPARSED.value).mean()),
        truncated=float((rollouts.finish_reason == "length").mean()),
        same_text=sum(shared) / len(shared),
    )


def _places(states: pd.DataFrame) -> Iterator[tuple[int, int]]:
    return zip(states["sample"], states.token_index, strict=True)


def _is_shared(token_ids: Sequence[Sequence[int]], i: int, t: int) -> bool:
    """Whether another of the rollouts `token_ids` begins with the first `t` tokens of the `i`-th."""
    own = token_ids[i][:t]
    return any(ids[:t] == own for j, ids in enumerate(token_ids) if j != i)
