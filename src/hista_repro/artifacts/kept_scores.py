"""Scores that several pages ask for: computed for the first, kept beside the build for the others."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from filelock import FileLock

from hista_repro.estimators import Estimator
from hista_repro.files import write_atomically
from hista_repro.imports import reached_files
from hista_repro.source_files import code_digest
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.score import evaluate


def kept_scores(benchmark: Benchmark, estimators: Mapping[str, Estimator], *, adapt: bool = True) -> pd.DataFrame:
    """The rows of `sveb.score.evaluate` for labelled estimators; each is scored by the first page that asks, others wait for it.

    What is kept serves an estimator of the same settings and the same source. Raises what `evaluate` raises.
    """
    spaced = {label: estimator.for_length(benchmark.typical_length) if adapt else estimator for label, estimator in estimators.items()}
    parts = [_scores(benchmark, estimator).assign(estimator=label) for label, estimator in spaced.items()]
    return pd.concat(parts, ignore_index=True)


def _scores(benchmark: Benchmark, estimator: Estimator) -> pd.DataFrame:
    path = benchmark.folder / "scores" / f"{estimator.name}-{_key(estimator)}.parquet"
    path.parent.mkdir(exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            scores = evaluate(benchmark, [estimator], adapt=False)
            write_atomically(path, lambda temporary: scores.to_parquet(temporary, index=False))
    return pd.read_parquet(path)


def _key(estimator: Estimator) -> str:
    module = type(estimator).__module__
    source = {*reached_files(f"import {module}\nimport {evaluate.__module__}"), *_own_file(estimator)}
    return hashlib.sha256(f"{estimator!r}\n{code_digest(*sorted(source))}".encode()).hexdigest()[:16]


def _own_file(estimator: Estimator) -> list[Path]:
    """The file that defines the estimator, which may lie outside of the package."""
    file = getattr(sys.modules[type(estimator).__module__], "__file__", None)
    return [Path(file)] if file else []
