"""A training run as a record that several tables and figures share."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hista_repro
from hista_repro.errors import Refused
from hista_repro.files import read_json, sha256_of
from hista_repro.imports import reached_files, strings_in
from hista_repro.models import resolve_model
from hista_repro.shared_records import adopt_record, shared_record
from hista_repro.source_files import code_digest
from hista_repro.training.config import TrainConfig
from hista_repro.training.run import train

_PACKAGE = Path(hista_repro.__file__).parent
_MAKERS = ("estimators", "problems", "rollouts", "sandbox", "training", "seeding.py", "sveb/own_weight.py")
"""The source that decides what a run does, below the package. Files of runs do not: their settings are part of the content."""


def record(settings: Mapping[str, Any], home: Path | None = None) -> Path:
    """The folder of a finished training run with these settings (fields of `TrainConfig` but `out`), shared with all who ask for the same.

    What is the same: settings, model, problems, and the source that trains. For `home` see `shared_record`. Raises what `train` raises.
    """
    config = _config(settings)
    return shared_record(_name(config), _content(config), lambda folder: train(replace(config, out=str(folder))), home)


def adopt(folder: Path, home: Path | None = None) -> Path:
    """Let a copy of the finished run in `folder`, made elsewhere or by earlier source, be what `record` gives for its settings.

    Its manifest goes on naming the commit and the machine that made it. A finished record is left as it is. Returns the record's folder.
    Raises `Refused` where there is no finished run, where its model or its problems are others here, and while another process makes
    the record.
    """
    path = Path(folder, "manifest.json")
    if not path.is_file():
        raise Refused(f"{folder} holds no training run (manifest.json is missing)")
    manifest = read_json(path)
    if manifest["status"] != "done":
        raise Refused(f"the run in {folder} is not finished; train with the same settings again to go on")
    if missing := [name for name in ("model_sha256", "problems_sha256") if name not in manifest]:
        raise Refused(f"the manifest of {folder} lacks {missing[0]}, as those of earlier source do, so that nothing says what was trained")
    config = _config(manifest["config"])
    train(replace(config, out=str(folder)))  # which has nothing to do, and says so where it would train something else
    return adopt_record(_name(config), _content(config), Path(folder), home)


def _config(settings: Mapping[str, Any]) -> TrainConfig:
    return TrainConfig.from_dict({**settings, "out": ""})


def _name(config: TrainConfig) -> str:
    return f"training-{Path(config.model).name}"


def _content(config: TrainConfig) -> dict[str, Any]:
    asked = {name: value for name, value in config.to_dict().items() if name != "out"}
    return {
        "config": asked,
        "model": sha256_of(resolve_model(config.model)),
        "problems": sha256_of(Path(config.problems)) if Path(config.problems).exists() else config.problems,
        "source": code_digest(*_source(asked)),
    }


def _source(config: Mapping[str, Any]) -> list[Path]:
    """The modules that a run with these settings can reach; of the estimators only its own, so that it outlives changes to the others."""
    reached = reached_files("import hista_repro.training.run", texts=strings_in(config))
    return [path for path in reached if path.suffix == ".py" and any(path.is_relative_to(_PACKAGE / maker) for maker in _MAKERS)]
