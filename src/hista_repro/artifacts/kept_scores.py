"""Tables on a build that take long, like the scores that several pages ask for: made once, kept beside the build, read after that."""

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
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


def kept_table(benchmark: Benchmark, name: str, settings: object, module: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What `make` returns: made for the first who asks for `name` with these settings, while others wait for it.

    `settings` are those whose repr differs; what is kept serves as long as the source of `module` (a dotted name), and what it reaches, is
    the same. Raises what `make` raises, and keeps nothing then.
    """
    return _kept(benchmark, name, settings, reached_files(f"import {module}"), make)


def _scores(benchmark: Benchmark, estimator: Estimator) -> pd.DataFrame:
    source = {*reached_files(f"import {type(estimator).__module__}\nimport {evaluate.__module__}"), *_own_file(estimator)}
    return _kept(benchmark, estimator.name, estimator, source, lambda: evaluate(benchmark, [estimator], adapt=False))


def _kept(benchmark: Benchmark, name: str, settings: object, source: Iterable[Path], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    key = hashlib.sha256(f"{settings!r}\n{code_digest(*sorted(source))}".encode()).hexdigest()[:16]
    path = benchmark.folder / "scores" / f"{name}-{key}.parquet"
    path.parent.mkdir(exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            table = make()
            write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    return pd.read_parquet(path)


def _own_file(estimator: Estimator) -> list[Path]:
    """The file that defines the estimator, which may lie outside of the package."""
    file = getattr(sys.modules[type(estimator).__module__], "__file__", None)
    return [Path(file)] if file else []
