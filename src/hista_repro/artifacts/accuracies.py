"""Accuracies of trained models, one arm beside the other: what the pages about Tables 3 and 5 to 8 measure and conclude."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from hista_repro.artifacts.printed_accuracies import (
    AVERAGE,
    BEFORE,
    COLUMNS,
    leaves,
    printed_accuracies,
    printed_differences,
    printed_pairs,
)
from hista_repro.artifacts.verdicts import Finding, Interval, Word, differences_of_setting, judge_direction, number_text
from hista_repro.benchmarks import Evaluation, compare, get_benchmark, record
from hista_repro.benchmarks.scoring import Columns
from hista_repro.errors import Refused

_FIELDS = ("row", "block", "model", "train", "run")


@dataclass(frozen=True)
class Arm:
    """One row of a table: a model, before training or after it."""

    block: str
    """The model that was trained, as its own name has it."""
    name: str
    """What it was trained with, in the words of the paper's rows."""
    folder: Path | None
    """Of its evaluation; None where the checkpoint does not exist."""
    needs: str = ""
    """The command that makes a checkpoint that does not exist."""

    @cached_property
    def evaluation(self) -> Evaluation | None:
        return None if self.folder is None else Evaluation.read(self.folder)

    @property
    def build(self) -> dict[str, Any]:
        """The settings of the evaluation, under the names that pages know (`model`, `problems`, `seed`)."""
        config = self.evaluation.manifest["config"]
        model = self.block if self.name == BEFORE else f"{self.block} ({self.name})"
        return {**config, "model": model, "problems": ", ".join(config["benchmarks"])}


@dataclass(frozen=True)
class Accuracies:
    """The arms of a page, and the columns in which they are shown."""

    number: int
    """The paper's table."""
    arms: tuple[Arm, ...]
    columns: Mapping[str, Columns]
    """Title -> what is shown below it; the last is the average of the others."""

    @property
    def measured(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.folder is not None]

    @property
    def size(self) -> str:
        asked = self.measured[0].evaluation.manifest["questions"]
        questions = sum(entry["questions"] for entry in asked.values())
        return f"{questions} questions of {len(asked)} benchmarks, {len(self.measured)} of {len(self.arms)} models measured"

    @property
    def missing(self) -> pd.DataFrame:
        """model, arm and `needs` (the command, as Markdown) of the rows that were not run."""
        rows = [(arm.block, arm.name, f"`{arm.needs}`") for arm in self.arms if arm.folder is None]
        return pd.DataFrame(rows, columns=["model", "arm", "needs"])

    def pairs(self) -> list[tuple[Arm, Arm]]:
        """The arms that the paper compares, where both are measured, of the same block."""
        named = {(arm.block, arm.name): arm for arm in self.measured}
        blocks = dict.fromkeys(arm.block for arm in self.measured)
        asked = [((block, first), (block, second)) for block in blocks for first, second in printed_pairs(self.number)]
        return [(named[first], named[second]) for first, second in asked if first in named and second in named]


@dataclass(frozen=True)
class Asked:
    """What the models of a page are asked, and how those are trained that the page shares with others."""

    benchmarks: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of `EvaluationConfig`."""
    config: str = ""
    """A file of training runs (see `training.run_files`)."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What replaces the settings of that file, the seed among them."""

    def evaluation_of(self, model: str) -> Path:
        """The folder of the evaluation of `model`, made if need be."""
        return record({**self.settings, "benchmarks": list(self.benchmarks), "model": model})

    def trained(self, run: str) -> tuple[str, str]:
        """The base model of a training run and the folder of the model that it gave, made if need be."""
        from hista_repro.training.record import record as training_record
        from hista_repro.training.run_files import read_settings

        settings = {name: value for name, value in read_settings(Path(self.config), run).items() if name != "out"}
        return settings["model"], str(training_record({**settings, **self.training}) / "model")


def measure_accuracies(number: int, rows: Sequence[Mapping[str, str]], asked: Asked, model: str = "") -> Accuracies:
    """Ask each model of `rows` the benchmarks of Table `number`, or others; evaluations that exist already are taken.

    A row names its arm by `row`, the model that was trained by `block` (default: its own name), and its checkpoint by one of these: `run`,
    a run of `asked.config`, shared with other pages and trained if need be; or `model`, a name, hub id or folder. With `train`, the command
    that makes a folder, a row whose folder does not exist is not run. With a `model` of one's own, that model is a further row.
    Raises `Refused` for a row of another form, where no model of all exists, and for a single question, over which there is no interval.
    """
    given = [*rows, {"row": "your own", "model": model}] if model else list(rows)
    arms = tuple(_arm(row, asked) for row in given)
    if all(arm.folder is None for arm in arms):
        raise Refused("no model of rows exists; train one, or name one that needs no training")
    accuracies = Accuracies(number, arms, _columns(number, asked.benchmarks))
    if accuracies.measured[0].evaluation.fewest_questions(accuracies.columns[AVERAGE]) < 2:
        raise Refused("intervals need two questions of each benchmark or more; raise the limit")
    return accuracies


def _arm(row: Mapping[str, str], asked: Asked) -> Arm:
    if "row" not in row or ("run" in row) == ("model" in row) or set(row) - set(_FIELDS):
        raise Refused(f"a row has `row`, either `run` or `model`, and at most `block` and `train` besides, unlike {dict(row)!r}")
    base, model = asked.trained(row["run"]) if "run" in row else (row["model"], row["model"])
    block = row.get("block", Path(base).name)
    if row.get("train") and not (Path(model) / "config.json").is_file():
        return Arm(block, row["row"], None, row["train"])
    return Arm(block, row["row"], asked.evaluation_of(model))


def _columns(number: int, benchmarks: Sequence[str]) -> dict[str, Columns]:
    """The paper's columns that `benchmarks` make up, then the benchmarks that are in none of them, then the average."""
    columns = {title: part for title, part in COLUMNS[number].items() if set(leaves(part)) <= set(benchmarks)}
    shown = {name for part in columns.values() for name in leaves(part)}
    columns |= {get_benchmark(name).title: name for name in benchmarks if name not in shown}
    return {**columns, AVERAGE: tuple(columns.values())}


def accuracy(evaluation: Evaluation, columns: Columns) -> Interval:
    """The score with its 95% interval."""
    return Interval(evaluation.score(columns), *evaluation.interval(columns))


def difference(first: Arm, second: Arm, columns: Columns) -> tuple[Interval, float]:
    """The paired difference of two arms' scores with its interval, and the smallest difference that the questions resolve."""
    found = compare(first.evaluation, second.evaluation, columns)
    return Interval(found["difference"], found["low"], found["high"]), found["smallest_difference"]


def judge_accuracies(accuracies: Accuracies) -> list[Finding]:
    """A finding for each pair of arms that the paper compares: does the average of the first differ in the paper's direction here too?"""
    findings = []
    for pair in printed_pairs(accuracies.number):
        measured = [(first, second) for first, second in accuracies.pairs() if (first.name, second.name) == pair]
        printed = printed_differences(accuracies.number, pair)
        findings += [_finding(accuracies, printed, first, second) for first, second in measured]
        if not measured:
            findings.append(Finding(_claim(pair, printed), "–", _printed_text(printed), "–", Word.NOT_RUN))
    return findings


def _finding(accuracies: Accuracies, printed: Mapping[str, float], first: Arm, second: Arm) -> Finding:
    """Held against the paper's difference for the same model, and where it has none, against the mean of its models."""
    theirs = {first.block: printed[first.block]} if first.block in printed else printed
    ours, resolved = difference(first, second, accuracies.columns[AVERAGE])
    mean = _mean(theirs)
    word = judge_direction(mean, ours) if mean else Word.NOT_COMPARABLE
    found = f"a difference of {number_text(resolved)} between these two models would be found" if resolved else "these two models"
    text = f"{ours.text(signed=True)}; {found}, other trainings of them are not covered"
    return Finding(_claim((first.name, second.name), theirs), first.block, _printed_text(theirs), text, word)


def _claim(pair: tuple[str, str], printed: Mapping[str, float]) -> str:
    return f"{pair[0]} has a {'higher' if _mean(printed) > 0 else 'lower'} average than {pair[1]}"


def _mean(printed: Mapping[str, float]) -> float:
    return sum(printed.values()) / len(printed)


def _printed_text(printed: Mapping[str, float]) -> str:
    values = [number_text(value, signed=True) for value in printed.values()]
    return values[0] if len(values) == 1 else f"{', '.join(values)} ({len(values)} models)"


def accuracy_differences(accuracies: Accuracies) -> tuple[str, ...]:
    """In what the measurement differs from the paper's: the reasons not to compare levels."""
    checkpoint = "the best on the validation problems" if accuracies.number == 3 else "not stated"
    theirs = {
        "Model": ", ".join(printed_accuracies(accuracies.number)["block"].unique()),
        "Benchmarks": ", ".join(title for title in COLUMNS[accuracies.number]),
        "Checkpoint": checkpoint,
        "Longest answer in tokens": "not stated",
    }
    lengths = {str(entry["max_tokens"]) for entry in accuracies.measured[0].evaluation.manifest["questions"].values()}
    ours = {
        "Model": " and ".join(dict.fromkeys(arm.block for arm in accuracies.measured)),
        "Benchmarks": ", ".join(title for title in accuracies.columns if title != AVERAGE),
        "Checkpoint": "the last",
        "Longest answer in tokens": ", ".join(sorted(lengths, key=int)),
    }
    return differences_of_setting([theirs], [ours])
