"""SVEB, the state value estimation benchmark: build it, score estimators on it, and ask for a build as a shared record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hista_repro.distributed import Hire
from hista_repro.files import sha256_of
from hista_repro.models import resolve_model
from hista_repro.shared_records import adopt_record, shared_record
from hista_repro.source_files import code_digest
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.build import build
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import SCHEMAS, read_manifest, read_table
from hista_repro.sveb.score import evaluate, score

__all__ = ["Benchmark", "BuildConfig", "adopt", "build", "evaluate", "record", "score"]

_PACKAGE = Path(__file__).parent.parent
_MAKERS = (
    *("rollouts", "problems", "sandbox", "estimators/milestones.py", "seeding.py"),
    *(f"sveb/{module}.py" for module in ("build", "given_hidden", "hidden_store", "records", "sampler", "states", "units")),
)
"""The source that decides what a build holds, below the package."""


def record(settings: Mapping[str, Any], hire: Hire | None = None, home: Path | None = None) -> Path:
    """The folder of a finished build with these settings (fields of `BuildConfig`), shared with all who ask for the same.

    What is the same: settings but `keep_hidden`, model, problems, and the source that makes builds. Where a build has to be made, `hire`
    gives the workers. For `home` see `shared_record`.
    """
    config = BuildConfig.from_dict(settings)
    return shared_record(_name(config), _content(config), lambda folder: build(config, folder, hire), home)


def adopt(folder: Path, home: Path | None = None) -> Path:
    """Let a copy of the finished build in `folder`, made elsewhere or by earlier source, be what `record` gives for its settings.

    Its manifest goes on naming the commit and the machine that made it. A finished record is left as it is. Returns the record's folder.
    Raises `Refused` where there is no finished build, for a table that cannot be read, where the model or the problems are others
    here, and while another process makes the record.
    """
    folder = Path(folder)
    config = replace(BuildConfig.from_dict(read_manifest(folder)["config"]), keep_hidden=False)
    for table in SCHEMAS.keys() - (set() if config.independent_pool else {"pool"}):
        read_table(folder, table)
    build(config, folder)  # which has nothing to do, and says so where it would build something else
    return adopt_record(_name(config), _content(config), folder, home)


def _name(config: BuildConfig) -> str:
    return f"sveb-{Path(config.model).name}"


def _content(config: BuildConfig) -> dict[str, Any]:
    return {
        "config": {name: value for name, value in config.identity().items() if name != "keep_hidden"},
        "model": sha256_of(resolve_model(config.model)),
        "problems": sha256_of(Path(config.problems)) if Path(config.problems).exists() else config.problems,
        "source": code_digest(*(_PACKAGE / maker for maker in _MAKERS)),
    }
