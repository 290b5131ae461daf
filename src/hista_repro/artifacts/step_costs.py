"""What credit costs in training: time and memory of an update (Tables 14 and 15 of the paper)."""

from collections.abc import Sequence

import pandas as pd

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.training_arms import Arm, over_seeds, setting_of, size_of
from hista_repro.artifacts.verdicts import Finding, Interval, Word
from hista_repro.paper import paper_table

TIME, MEMORY = "step_time", "memory_gib"
CREDIT, FORWARD = "credit/seconds", "credit/forward_seconds"
UNITS = {TIME: "s", MEMORY: "GiB"}
WITHOUT, WITH = "DAPO", "DAPO + Hista"
"""The paper's two rows."""
NO_GPU = "not measured, for want of a GPU"
_WARM = 2
"""Updates left out at the start, in which memory is first allocated; all but the last of a run that has no more."""


def step_costs(arms: Sequence[Arm]) -> pd.DataFrame:
    """One row per arm and seed: means over updates of `step_time`, `memory_gib`, `credit/seconds` and `credit/forward_seconds`.

    Of the credit's seconds those of `forward` are spent in reading the rollouts once more for their hidden states; nought where there
    was nothing to compute.
    """
    columns = [TIME, MEMORY, CREDIT, FORWARD]
    rows = []
    for arm in arms:
        for seed, metrics in arm.metrics.groupby("seed"):
            updates = metrics.dropna(subset=[TIME]).reindex(columns=columns)
            measured = updates.iloc[min(_WARM, len(updates) - 1) :]
            rows.append({"arm": arm.name, "seed": seed, **measured.mean().fillna(0.0)})
    return pd.DataFrame(rows)


def overhead(costs: pd.DataFrame, arm: str, against: str, column: str) -> Interval:
    """By what share `column` of `arm` lies above that of `against`, paired by seed."""
    wide = costs.pivot(index="seed", columns="arm", values=column)
    return over_seeds(wide[arm] / wide[against] - 1)


def share(costs: pd.DataFrame, arm: str, column: str) -> Interval:
    """The share of an update's time that `column` takes."""
    part = costs[costs["arm"] == arm]
    return over_seeds(part[column] / part[TIME])


def printed_overheads(table: int) -> dict[str, float]:
    """Model -> by what share the paper's row with Hista lies above the one without (`table` 14: seconds, 15: gigabytes)."""
    wide = paper_table(table).pivot(index="column", columns="row", values="printed").astype(float)
    return (wide[WITH] / wide[WITHOUT] - 1).to_dict()


def readable_costs(arms: Sequence[Arm], costs: pd.DataFrame, column: str, against: str) -> Captioned:
    """Mean costs of an update by arm and, beside the arm `against`, the overhead."""
    rows = []
    for arm in arms:
        mean = over_seeds(costs.loc[costs["arm"] == arm.name, column])
        row = {"arm": arm.name, f"{UNITS[column]} per update": mean.text()}
        row["overhead"] = "–" if arm.name == against else overhead_text(arms, costs, arm.name, against, column)
        if column == TIME:
            row |= {
                "estimator": share_text(share(costs, arm.name, CREDIT)),
                "of this, reading again": share_text(share(costs, arm.name, FORWARD)),
            }
        rows.append(row)
    return Captioned(pd.DataFrame(rows), f"{size_of(arms)}. Overhead over {against}; shares of the time of an update.")


def overhead_text(arms: Sequence[Arm], costs: pd.DataFrame, arm: str, against: str, column: str) -> str:
    """`overhead` in percent; main memory has none (`judge_overhead`)."""
    if column == MEMORY and not arms[0].gpus:
        return NO_GPU
    return share_text(overhead(costs, arm, against, column), signed=True)


def judge_overhead(costs: pd.DataFrame, arm: Arm, against: str, column: str, most: float) -> Finding:
    """That the arm costs at most a share `most` more: the largest that the paper printed.

    Memory is compared on GPUs alone: what a process holds of main memory is what its interpreter and libraries take, and what earlier
    runs in the same process left.
    """
    claim, printed = f"{arm.name} costs at most {most:.1%} more than {against}", f"at most {most:+.1%}"
    if column == MEMORY and not arm.gpus:
        return Finding(claim, setting_of(arm), printed, NO_GPU, Word.NOT_COMPARABLE)
    ours = overhead(costs, arm.name, against, column)
    word = Word.AGREES if ours.high <= most else Word.DISAGREES if ours.low > most else Word.UNDECIDED
    return Finding(claim, setting_of(arm), printed, share_text(ours, signed=True), word)


def share_text(interval: Interval, *, signed: bool = False) -> str:
    """An interval in percent."""
    ends = [f"{number * 100:{'+' if signed else ''}.1f}%".replace("-", "−") for number in (interval.estimate, interval.low, interval.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]"
