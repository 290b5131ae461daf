"""Critics by the amount of data: how many rollouts does a critic need before it knows more than the average of its prompts?"""

from collections.abc import Sequence

import pandas as pd

from hista_repro.artifacts.critics import KINDS, collapse_of, critic, readable_variance, variance_table
from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding
from hista_repro.errors import Refused
from hista_repro.estimators.ppo_1 import FirstEpochCritic
from hista_repro.sveb import BuildConfig

ROWS = {"ppo-1": "new problems", "ppo-n": "known problems"}
"""The paper's row -> the problems that the critic is asked about."""
SHARES = {"between": "between prompts", "within": "within prompts"}
"""Columns of `variance_table` that tell what a critic has learnt."""


def critics_by_data(sizes: Sequence[int], *, epochs: int, authors_rate: float) -> dict[str, FirstEpochCritic]:
    """`label` -> critic, for both rows and kinds, trained to Monte-Carlo targets (lambda 1) on so many rollouts of each problem."""
    return {
        label(row, kind, size): critic(row, kind, rollouts=size, epochs=epochs, authors_rate=authors_rate)
        for row in ROWS
        for kind in KINDS
        for size in sizes
    }


def label(row: str, kind: str, size: int) -> str:
    return f"{row}{kind}, {size} rollouts"


def check_sizes(measurement: Measurement, sizes: Sequence[int]) -> None:
    """Raise `Refused` for sizes that do not rise, that leave none to hold out, or that the build does not hold."""
    build = BuildConfig.from_dict(measurement.config)
    held = min(build.group_size, build.screen)
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < 2:
        raise Refused(f"rollouts: numbers from 2 upwards, each larger than the one before, not {list(sizes)}")
    if sizes[-1] > held:
        raise Refused(
            f"rollouts: {measurement.name} holds {held} rollouts of each problem for either critic, and {sizes[-1]} are asked for"
        )


def growth_table(measurement: Measurement, sizes: Sequence[int]) -> pd.DataFrame:
    """One row per row of the paper, kind and size: row, kind, rollouts, and the columns of `variance_table`.

    The scores of `critics_by_data` are in the measurement. Raises `Refused` as `check_sizes` does.
    """
    check_sizes(measurement, sizes)
    keys = [(row, kind, size) for row in ROWS for kind in KINDS for size in sizes]
    variances = variance_table(measurement, [label(*key) for key in keys]).drop(columns="estimator")
    return pd.concat([pd.DataFrame(keys, columns=["row", "kind", "rollouts"]), variances], axis=1)


def readable_growth(measurement: Measurement, table: pd.DataFrame) -> Captioned:
    """A `growth_table` as a page shows it."""
    shares = readable_variance(measurement, table.assign(estimator=""))
    learnt = {
        "critic": [KINDS[kind] for kind in table["kind"]],
        "asked about": [ROWS[row] for row in table["row"]],
        "rollouts of each": table["rollouts"],
    }
    return Captioned(pd.DataFrame(learnt).join(shares.frame.drop(columns="estimator")), shares.caption)


def judge_growth(measurement: Measurement, table: pd.DataFrame, row: str, kind: str) -> Finding:
    """That a critic stays an average of its prompts with the most data; see `critics.collapse_of`."""
    most = table[(table["row"] == row) & (table["kind"] == kind)].iloc[-1]
    claim = f"{KINDS[kind]} stays an average of its prompts, asked about {ROWS[row]}"
    paper = "values degenerate to the group average"
    ours, word = collapse_of(most)
    return Finding(claim, measurement.name, paper, f"{ours} ({most['rollouts']} rollouts of each)", word)
