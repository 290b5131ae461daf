"""Downstream accuracy: ask a model the paper's benchmarks, keep every answer, and score what was kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hista_repro.benchmarks.config import EvaluationConfig
from hista_repro.benchmarks.evaluation import evaluate, identity_of, questions_of
from hista_repro.benchmarks.regrading import disagreements, readable_changes, regrade
from hista_repro.benchmarks.scoring import Evaluation, compare, summarise
from hista_repro.benchmarks.table import Benchmark, benchmarks, get_benchmark
from hista_repro.shared_records import shared_record
from hista_repro.source_files import code_digest

__all__ = [
    "Benchmark",
    "Evaluation",
    "EvaluationConfig",
    "benchmarks",
    "compare",
    "disagreements",
    "evaluate",
    "get_benchmark",
    "readable_changes",
    "record",
    "regrade",
    "summarise",
]

_PACKAGE = Path(__file__).parent.parent
_MAKERS = (
    *("problems", "rollouts", "sandbox", "seeding.py"),
    *(f"benchmarks/{module}.py" for module in ("asking", "evaluation", "samples")),
)
"""The source that decides what an evaluation holds, below the package, besides its questions."""


def record(settings: Mapping[str, Any], home: Path | None = None) -> Path:
    """The folder of a finished evaluation with these settings (fields of `EvaluationConfig`), shared with all who ask for the same.

    What is the same: settings, model, questions, and the source that asks and grades. For `home` see `shared_record`. Raises what
    `evaluate` raises.
    """
    config = EvaluationConfig.from_dict(settings)
    content = {**identity_of(config, questions_of(config)), "source": code_digest(*(_PACKAGE / maker for maker in _MAKERS))}
    return shared_record(f"evaluation-{Path(config.model).name}", content, lambda folder: evaluate(config, folder), home)
