"""What notebooks ask for besides benchmark builds (for these see `runner.plan.builds_of`): training runs and evaluations, each once."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hista_repro.benchmarks import EvaluationConfig
from hista_repro.errors import Refused
from hista_repro.runner.plan import Task
from hista_repro.training.config import TrainConfig, read_config
from hista_repro.training.run_files import read_settings


@dataclass(frozen=True)
class Run:
    """A training run."""

    config: TrainConfig
    """Without a folder (`out`) where the notebook itself trains, into a record that all share who ask for the same."""
    command: str = ""
    """What trains where the notebook only reads the run's folder."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of a model."""

    config: EvaluationConfig
    """Its `model` is the one before training."""
    run: Run | None
    """What trains it; None where it is asked as it is."""


def runs_of(tasks: Iterable[Task]) -> list[Run]:
    """The training runs behind the arms and rows of notebooks, whether they exist already or not.

    Raises `Refused` for a run that does not exist in the notebook's `config`, and for a row whose `train` is no training command.
    """
    found: dict[str, Run] = {}
    for task in tasks:
        rows = (run for _, run in _models(task.parameters) if run is not None)
        for run in (*_arms(task.parameters), *rows):
            found.setdefault(repr(run.config), run)
    return list(found.values())


def evaluations_of(tasks: Iterable[Task]) -> list[Evaluation]:
    """The evaluations of the models in notebooks' rows; raises as `runs_of`, and `Refused` for settings that none has."""
    found: dict[str, Evaluation] = {}
    for task in tasks:
        for model, run in _models(task.parameters):
            asked = {**task.parameters["settings"], "benchmarks": task.parameters["benchmarks"], "model": model}
            evaluation = Evaluation(EvaluationConfig.from_dict(asked), run)
            found.setdefault(repr((evaluation.config, run and run.config)), evaluation)
    return list(found.values())


def _arms(parameters: Mapping[str, Any]) -> Iterator[Run]:
    """The runs of a page that compares training (see `artifacts.training_arms.train_arms`), at each of its `rates` where it has them, and
    those of its `further` models (see `artifacts.step_costs.measure_costs`)."""
    for other in parameters.get("further", []):
        yield from _arms({**parameters, **other, "further": []})
    rates = [{"learning_rate": rate} for rate in parameters.get("rates", [])]
    for run, seed, rate in product(parameters.get("arms", {}).values(), parameters.get("seeds", []), rates or [{}]):
        if "{seed}" in run:
            yield _in_folder(parameters["config"], run, seed)
        else:
            settings = read_settings(Path(parameters["config"]), run)
            yield Run(TrainConfig.from_dict({**settings, **parameters["settings"], **rate, "seed": seed, "out": ""}))


def _in_folder(config: str, folder: str, seed: int) -> Run:
    """The run of the file `config` after which `folder` is named: NAME-{seed}."""
    name, out = Path(folder).name.removesuffix("-{seed}"), folder.format(seed=seed)
    settings = {**read_settings(Path(config), name), "seed": seed, "out": out}
    return Run(TrainConfig.from_dict(settings), f"hista-repro train {config} run={name} seed={seed} out={out}")


def _models(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Run | None]]:
    """The models that a page asks (see `artifacts.accuracies.measure_accuracies`), as they are before training, and what trains them."""
    rows = parameters.get("rows", [])
    own = [{"model": parameters["model"]}] if rows and parameters.get("model") else []
    for row in [*rows, *own]:
        run = _training_of(row, parameters)
        yield (row["model"] if run is None else run.config.model), run


def _training_of(row: Mapping[str, str], parameters: Mapping[str, Any]) -> Run | None:
    if "run" in row:
        settings = read_settings(Path(parameters["config"]), row["run"])
        return Run(TrainConfig.from_dict({**settings, **parameters["training"], "out": ""}))
    if "train" not in row:
        return None
    match shlex.split(row["train"]):
        case ["hista-repro", "train", config, *settings] if all("=" in text for text in settings):
            return Run(read_config(Path(config), dict(text.split("=", 1) for text in settings)), row["train"])
    raise Refused(f"no plan can be made for a row whose `train` is {row['train']!r}; write it as hista-repro train CONFIG.yaml NAME=VALUE")
