"""What credit costs in training: time and memory of an update (Tables 14 and 15 of the paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.training_arms import Arm, over_seeds, setting_of, size_of, train_arms
from hista_repro.artifacts.verdicts import Finding, Interval, Word
from hista_repro.errors import Refused, did_you_mean
from hista_repro.paper import paper_table

TIME, MEMORY = "step_time", "memory_gib"
CREDIT, FORWARD = "credit/seconds", "credit/forward_seconds"
UNITS = {TIME: "s", MEMORY: "GiB"}
WITHOUT, WITH = "DAPO", "DAPO + Hista"
"""The paper's two rows; arms of these names are compared as they are."""
JUDGED = (WITH, "DAPO + hista-loo")
"""The arms that are held against what the paper printed."""
NO_GPU = "not measured, for want of a GPU"
_WARM = 2
"""Updates left out at the start, in which memory is first allocated; all but the last of a run that has no more."""


@dataclass(frozen=True)
class ModelCosts:
    """What updates of one model cost, by arm."""

    arms: Sequence[Arm]
    """With `WITHOUT` among them."""
    table: pd.DataFrame
    """`step_costs` of the arms."""

    @property
    def name(self) -> str:
        return setting_of(self.arms[0])

    @property
    def judged(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.name in JUDGED]


def measure_costs(
    config: str, arms: Mapping[str, str], seeds: Sequence[int], settings: Mapping[str, Any], further: Sequence[Mapping[str, Any]]
) -> list[ModelCosts]:
    """The costs of the arms of a page (see `training_arms.train_arms`), and of those of `further` models.

    Each of `further` is a mapping of those parameters that differ with the model. Raises `Refused` as `train_arms` does, and for others.
    """
    asked = {"config": config, "arms": arms, "seeds": seeds, "settings": settings}
    for name in (name for other in further for name in other):
        if name not in asked:
            raise Refused(f"further names {name!r}, which no arms have; {did_you_mean(name, asked)}")
    trained = [train_arms(**{**asked, **other}) for other in ({}, *further)]
    return [ModelCosts(found, step_costs(found)) for found in trained]


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


def overhead(costs: ModelCosts, arm: str, column: str) -> Interval:
    """By what share `column` of `arm` lies above that of `WITHOUT`, paired by seed."""
    wide = costs.table.pivot(index="seed", columns="arm", values=column)
    return over_seeds(wide[arm] / wide[WITHOUT] - 1)


def share(costs: ModelCosts, arm: str, column: str) -> Interval:
    """The share of an update's time that `column` takes."""
    part = _of(costs, arm)
    return over_seeds(part[column] / part[TIME])


def credit_overhead(costs: ModelCosts, arm: str) -> Interval:
    """By what share the seconds of credit lengthen an update.

    Both are parts of the same update, so that this is known more closely than `overhead`, which compares runs that write different
    answers at different times. What credit costs elsewhere, such as in answers that are longer, is not in it.
    """
    part = _of(costs, arm)
    return over_seeds(part[CREDIT] / (part[TIME] - part[CREDIT]))


def printed_overheads(table: int) -> dict[str, float]:
    """Model -> by what share the paper's row with Hista lies above the one without (`table` 14: seconds, 15: gigabytes)."""
    wide = paper_table(table).pivot(index="column", columns="row", values="printed").astype(float)
    return (wide[WITH] / wide[WITHOUT] - 1).to_dict()


def readable_costs(costs: ModelCosts, column: str) -> Captioned:
    """Mean costs of an update by arm, and the overhead."""
    rows = []
    for arm in costs.arms:
        row = {"arm": arm.name, f"{UNITS[column]} per update": over_seeds(_of(costs, arm.name)[column]).text()}
        row["overhead"] = "–" if arm.name == WITHOUT else overhead_text(costs, arm.name, column)
        if column == TIME:
            row |= {
                "estimator": share_text(share(costs, arm.name, CREDIT)),
                "of this, reading again": share_text(share(costs, arm.name, FORWARD)),
            }
        rows.append(row)
    return Captioned(pd.DataFrame(rows), f"{size_of(costs.arms)}. Overhead over {WITHOUT}; shares of the time of an update.")


def overhead_text(costs: ModelCosts, arm: str, column: str) -> str:
    """`overhead` in percent. Main memory has none: what a process holds of it is what its interpreter and libraries take, and what earlier
    runs in the same process left."""
    return share_text(overhead(costs, arm, column), signed=True) if _known(costs, column) else NO_GPU


def shown_overheads(models: Sequence[ModelCosts], column: str) -> dict[str, Interval]:
    """Arm, and the model where there are several -> `overhead`, of every arm but `WITHOUT`."""
    return {
        arm.name if len(models) == 1 else f"{arm.name}: {costs.name}": overhead(costs, arm.name, column)
        for costs in models
        if _known(costs, column)
        for arm in costs.arms
        if arm.name != WITHOUT
    }


def judge_overheads(models: Sequence[ModelCosts], column: str, most: float) -> list[Finding]:
    """That the arms `JUDGED` cost at most a share `most` more: the largest that the paper printed, for GPUs; elsewhere not comparable."""
    findings = []
    for costs in models:
        for arm in costs.judged:
            claim, text = f"{arm.name} costs at most {most:.1%} more than {WITHOUT}", overhead_text(costs, arm.name, column)
            findings.append(_at_most(claim, costs, overhead(costs, arm.name, column), text, most))
    return findings


def judge_credit_overheads(models: Sequence[ModelCosts], most: float) -> list[Finding]:
    """That the credit of the arms `JUDGED` lengthens an update by at most a share `most`; as `judge_overheads`."""
    findings = []
    for costs in models:
        for arm in costs.judged:
            ours = credit_overhead(costs, arm.name)
            claim = f"the credit of {arm.name} lengthens an update by at most {most:.1%}"
            findings.append(_at_most(claim, costs, ours, share_text(ours, signed=True), most))
    return findings


def shown_times(models: Sequence[ModelCosts]) -> dict[str, str]:
    """What pages name of the paper's two rows: `overhead` on the first model; of each model the `seconds` of an update without credit, and
    by what share it is longer for `credit`."""
    seconds = [f"{_of(costs, WITHOUT)[TIME].mean():.1f} ({costs.name})" for costs in models]
    credit = [f"{share_text(credit_overhead(costs, WITH), signed=True)} ({costs.name})" for costs in models]
    return {"overhead": overhead_text(models[0], WITH, TIME), "seconds": ", ".join(seconds), "credit": ", ".join(credit)}


def share_text(interval: Interval, *, signed: bool = False) -> str:
    """An interval in percent."""
    ends = [f"{number * 100:{'+' if signed else ''}.1f}%".replace("-", "−") for number in (interval.estimate, interval.low, interval.high)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]"


def _of(costs: ModelCosts, arm: str) -> pd.DataFrame:
    return costs.table[costs.table["arm"] == arm]


def _known(costs: ModelCosts, column: str) -> bool:
    return column != MEMORY or bool(costs.arms[0].gpus)


def _at_most(claim: str, costs: ModelCosts, ours: Interval, text: str, most: float) -> Finding:
    word = Word.AGREES if ours.high <= most else Word.DISAGREES if ours.low > most else Word.UNDECIDED
    if not costs.arms[0].gpus:
        word, text = Word.NOT_COMPARABLE, text if text == NO_GPU else f"{text}, on a CPU"
    return Finding(claim, costs.name, f"at most {most:+.1%}", text, word)
