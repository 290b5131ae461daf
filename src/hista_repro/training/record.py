"""A training run as a record that several tables and figures share."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hista_repro
from hista_repro.files import sha256_of
from hista_repro.imports import reached_files, strings_in
from hista_repro.models import resolve_model
from hista_repro.shared_records import shared_record
from hista_repro.source_files import code_digest
from hista_repro.training.config import TrainConfig
from hista_repro.training.run import train

_PACKAGE = Path(hista_repro.__file__).parent
_MAKERS = ("estimators", "problems", "rollouts", "training")
"""The rooms whose modules decide what a run does. Files of runs do not: their settings are part of the content."""


def record(settings: Mapping[str, Any], home: Path | None = None) -> Path:
    """The folder of a finished training run with these settings (fields of `TrainConfig` but `out`), shared with all who ask for the same.

    What is the same: settings, model, problems, and the source that trains. For `home` see `shared_record`. Raises what `train` raises.
    """
    config = TrainConfig.from_dict({**settings, "out": ""})
    asked = {name: value for name, value in config.to_dict().items() if name != "out"}
    content = {
        "config": asked,
        "model": sha256_of(resolve_model(config.model)),
        "problems": sha256_of(Path(config.problems)) if Path(config.problems).exists() else config.problems,
        "source": code_digest(*_source(asked)),
    }
    return shared_record(f"training-{Path(config.model).name}", content, lambda folder: train(replace(config, out=str(folder))), home)


def _source(config: Mapping[str, Any]) -> list[Path]:
    """The modules that a run with these settings can reach; of the estimators only its own, so that it outlives changes to the others."""
    reached = reached_files("import hista_repro.training.run", texts=strings_in(config))
    return [path for path in reached if path.parent.parent == _PACKAGE and path.parent.name in _MAKERS and path.suffix == ".py"]
