"""What an evaluation is asked for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hista_repro.benchmarks.table import Benchmark, get_benchmark
from hista_repro.conforming import configured
from hista_repro.errors import Refused
from hista_repro.rollouts.engines import DTYPES, ENGINES


@dataclass(frozen=True)
class EvaluationConfig:
    """Everything that decides what an evaluation holds. What is None here, each benchmark has its own value for."""

    model: str
    """A bundled name such as `tiny`, a local folder, a .gguf file or a hub id."""
    benchmarks: list[str]
    """Names of benchmarks, which `hista-repro evaluate --list` shows."""
    data: str | None = None
    """A folder with the questions as .jsonl files; without it they come from the hub. Not part of what an evaluation is, which the
    questions themselves are."""
    limit: int | None = None
    """At most so many questions of each benchmark, the first ones."""
    samples: int | None = None
    """Answers to each question; without it as many as the benchmark asks for."""
    temperature: float | None = None
    """Of sampling; 0 takes the likeliest token; without it the benchmark's."""
    max_tokens: int | None = None
    """Length limit of an answer; one that reaches it is graded by what it holds, and counted as truncated. Without it the benchmark's."""
    verifier: str | None = None
    """A model that judges answers which no rule finds right; see `hista_repro.problems.grading.model_verifier`."""
    engine: str = "transformers"
    """What samples."""
    dtype: str = "float32"
    """In which the model computes."""
    batch_tokens: int = 1 << 15
    """Rows times columns of one batch of requests. vLLM wants a hundred times as many, since it makes batches of its own."""
    seed: int = 0
    """From which all random numbers follow."""

    def __post_init__(self) -> None:
        for name in ("limit", "samples", "max_tokens", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise Refused(f"{name.replace('_', '-')} must be at least 1, not {value}")
        for name, known in (("engine", ENGINES), ("dtype", DTYPES)):
            if getattr(self, name) not in known:
                raise Refused(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if self.temperature is not None and self.temperature < 0:
            raise Refused(f"temperature must not be negative, as {self.temperature} is")
        if not self.benchmarks:
            raise Refused("no benchmark is named; hista-repro evaluate --list shows them")
        if repeated := [name for name in self.benchmarks if self.benchmarks.count(name) > 1]:
            raise Refused(f"the benchmark {repeated[0]!r} is named twice")
        for name in self.benchmarks:
            benchmark = get_benchmark(name)
            samples, temperature, _ = self.asking(benchmark)
            if samples > 1 and temperature == 0:
                raise Refused(
                    f"{name} is asked at temperature 0, where {samples} samples are all the same; give a temperature, or one sample"
                )

    def asking(self, benchmark: Benchmark) -> tuple[int, float, int]:
        """Samples, temperature and length limit with which `benchmark` is asked."""
        return (
            benchmark.samples if self.samples is None else self.samples,
            benchmark.temperature if self.temperature is None else self.temperature,
            benchmark.max_tokens if self.max_tokens is None else self.max_tokens,
        )

    @property
    def folder_of_data(self) -> Path | None:
        return None if self.data is None else Path(self.data).expanduser()

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "EvaluationConfig":
        """Raises `Refused` for a setting that does not exist, one that is missing and one of another type."""
        return configured(cls, settings, "an evaluation")

    def to_dict(self) -> dict[str, Any]:
        """Every setting but `model` and `data`: what stands behind these names has checksums of its own."""
        settings = asdict(self)
        del settings["model"], settings["data"]
        return settings
