"""The table of benchmarks, `benchmarks.yaml`, as data."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hista_repro.errors import Refused, did_you_mean
from hista_repro.problems.problem import DOMAINS
from hista_repro.yaml12 import load_yaml


@dataclass(frozen=True)
class HubRows:
    """Where on the Hugging Face hub the rows of a benchmark are."""

    id: str
    config: str
    split: str
    revision: str


@dataclass(frozen=True)
class Benchmark:
    """One entry of `benchmarks.yaml`, whose head says what the fields mean."""

    name: str
    title: str
    field: str
    verifiers: tuple[str, ...]
    temperature: float
    samples: int
    max_tokens: int
    hub: HubRows | None = None
    """None for the built-in suites."""
    rows: str = ""
    local: str = ""
    questions: int | None = None
    authors: str = ""

    def __post_init__(self) -> None:
        if self.field not in DOMAINS:
            raise ValueError(f"benchmark {self.name}: field {self.field!r} is none of {', '.join(DOMAINS)}")

    @property
    def built_in(self) -> bool:
        return self.hub is None


@cache
def benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name, in the order of the table."""
    document = load_yaml((files("hista_repro.benchmarks") / "benchmarks.yaml").read_text(encoding="utf-8"))
    return {name: _benchmark(name, entry) for name, entry in document.items()}


def get_benchmark(name: str) -> Benchmark:
    """The benchmark of this name; raises `Refused`, suggesting the nearest name, for an unknown one."""
    if name not in benchmarks():
        raise Refused(f"unknown benchmark {name!r}; {did_you_mean(name, benchmarks())}")
    return benchmarks()[name]


def _benchmark(name: str, entry: dict[str, Any]) -> Benchmark:
    hub = HubRows(**entry["hub"]) if "hub" in entry else None
    return Benchmark(name=name, **{**entry, "hub": hub, "verifiers": tuple(entry["verifiers"])})
