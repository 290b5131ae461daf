"""SVEB, the state value estimation benchmark: build it, score estimators on it, and ask for a build as a shared record."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from hista_repro.distributed import Hire, hire_here
from hista_repro.files import cache_home, sha256_of
from hista_repro.models import resolve_model
from hista_repro.sveb.build import build
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.score import score

__all__ = ["BuildConfig", "build", "record", "score"]

_PACKAGE = Path(__file__).parent.parent
_MAKERS = (
    *("rollouts", "problems", "seeding.py"),
    *(f"sveb/{module}.py" for module in ("build", "hidden_store", "records", "sampler", "states")),
)
"""The source that decides what a build holds, below the package."""


def record(settings: Mapping[str, Any], hire: Hire = hire_here, home: Path | None = None) -> Path:
    """The folder of a finished build with these settings (fields of `BuildConfig`), made by whoever asks first.

    Records lie in `home` (default: `$HISTA_REPRO_RECORDS`, else the user's cache), one folder per content of settings, model, and the
    source that makes builds. A second caller, in whatever process, waits for the first and takes its record. Where a build has to be
    made, `hire` gives the workers.
    """
    config = BuildConfig.from_dict(dict(settings))
    content = {
        "config": config.to_dict(),
        "model": sha256_of(resolve_model(config.model)),
        "problems": sha256_of(Path(config.problems)) if Path(config.problems).exists() else config.problems,
        "source": sha256_of(*(_PACKAGE / maker for maker in _MAKERS)),
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    home = home or Path(os.environ.get("HISTA_REPRO_RECORDS") or cache_home() / "records")
    folder = home / f"sveb-{Path(config.model).name}-{key}"
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f"{folder.name}.lock"):
        build(config, folder, hire)
    return folder
