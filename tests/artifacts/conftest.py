"""Measurements made of chosen numbers instead of a model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts.measurements import Measurement
from hista_repro.sveb import record

INFORMATION = {
    "loo-mean": "siblings",
    "numca-loo": "siblings",
    "hista-loo": "siblings",
    "group-mean": "own-return",
    "own-return": "own-return",
    "ramp": "own-return",
    "numca": "own-return",
    "hista": "own-return",
    "mcs-1": "extra-samples",
    "mcs-3": "extra-samples",
}
CONFIG = {
    "model": "tiny",
    "problems": "arithmetic-steps",
    "group_size": 16,
    "references": 20,
    "max_tokens": 128,
    "temperature": 1.0,
    "seed": 0,
}


@pytest.fixture
def measured() -> Callable[..., Measurement]:
    """(estimates by estimator, references, states per problem) -> a measurement with those numbers."""

    def make(estimates: Mapping[str, Sequence[float]], references: Sequence[float], states: int = 2, domain: str = "number") -> Measurement:
        rows = []
        for estimator, values in estimates.items():
            for number, (value, reference) in enumerate(zip(values, references, strict=True)):
                problem, information = f"p{number // states:03d}", INFORMATION.get(estimator, "prefix")
                rows.append((f"{problem}/{number:04d}", problem, domain, estimator, information, value, reference, 20))
        columns = ["state_id", "problem_id", "domain", "estimator", "information", "estimate", "reference", "n"]
        return Measurement("tiny on arithmetic-steps", CONFIG, domain, pd.DataFrame(rows, columns=columns))

    return make


@pytest.fixture
def random_measurement(measured) -> Measurement:
    """60 states of 20 problems with every estimator, in [0, 1]."""
    generator = np.random.default_rng(0)
    references = generator.binomial(20, generator.uniform(0.1, 0.9, 60)) / 20
    estimates = {name: np.clip(references + generator.normal(0, 0.2, 60), 0, 1) for name in INFORMATION}
    estimates["own-return"] = generator.integers(0, 2, 60).astype(float)
    return measured(estimates, references, states=3)


SMALL_BUILD = {
    "model": "tiny",
    "problems": "arithmetic-steps",
    "limit": 8,
    "group_size": 6,
    "screen": 8,
    "states": 3,
    "references": 4,
    "draws": 0,
    "temperature": 1.0,
    "max_tokens": 96,
    "seed": 0,
}


@pytest.fixture(scope="session")
def small_records(tmp_path_factory) -> Path:
    """A folder of records that the modules of a session share."""
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def small_build(small_records) -> Iterator[dict]:
    """The settings of a build of a few problems, whose record exists, and which pages find while the tests of a module run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HISTA_REPRO_RECORDS", str(small_records))
        record(SMALL_BUILD)
        yield SMALL_BUILD
