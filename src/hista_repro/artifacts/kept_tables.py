"""Tables on a build that take long, like the scores that several pages ask for: made once, kept beside the build, read after that.

What is kept serves the same question (build, its problems and pool, settings) as long as the source that answers it is the same.
"""

import hashlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
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

    Raises what `evaluate` raises.
    """
    spaced = {label: estimator.for_length(benchmark.typical_length) if adapt else estimator for label, estimator in estimators.items()}
    parts = [_scores(benchmark, estimator).assign(estimator=label) for label, estimator in spaced.items()]
    return pd.concat(parts, ignore_index=True)


def kept_table(make: Callable[..., pd.DataFrame], benchmark: Benchmark, *settings: object) -> pd.DataFrame:
    """`make(benchmark, *settings)`, made for the first who asks; others wait for it.

    `make` is a function of a module; settings that ask for something else have another `repr`. Raises what `make` raises, and keeps
    nothing then.
    """
    return _kept(make.__name__, benchmark, settings, make.__module__, lambda: make(benchmark, *settings))


def _scores(benchmark: Benchmark, estimator: Estimator) -> pd.DataFrame:
    return _kept(estimator.name, benchmark, estimator, evaluate.__module__, lambda: evaluate(benchmark, [estimator], adapt=False))


def _kept(name: str, benchmark: Benchmark, settings: object, module: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    source = code_digest(*sorted(_source_of({module, *_modules_of(settings)})))
    asked = [settings, list(benchmark.states), benchmark.independent_pool, source]
    key = hashlib.sha256("\n".join(map(repr, asked)).encode()).hexdigest()[:16]
    path = benchmark.folder / "kept" / f"{name}-{key}.parquet"
    path.parent.mkdir(exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            table = make()
            write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
    return pd.read_parquet(path)


def _modules_of(settings: object) -> Iterator[str]:
    """The modules of the estimators in `settings`, and of those that they hold."""
    if isinstance(settings, Estimator):
        yield type(settings).__module__
        settings = vars(settings)
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, (list, tuple)):
        for setting in settings:
            yield from _modules_of(setting)


def _source_of(modules: Collection[str]) -> set[Path]:
    """The files of the package that the modules reach, and their own, which may lie outside of it."""
    own = [getattr(sys.modules[module], "__file__", None) for module in modules]
    return {*reached_files("\n".join(f"import {module}" for module in modules)), *(Path(file) for file in own if file)}
