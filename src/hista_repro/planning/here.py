"""What builds would take on this machine, from how fast it writes and from how much of their bound finished builds used."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from hista_repro.errors import Refused, WorkFailed
from hista_repro.files import read_json
from hista_repro.models import is_here
from hista_repro.planning.costs import cost_of_build, measured_share
from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.progress import announce
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.engines import make_engine
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.hiring import hire, workers_for
from hista_repro.sveb.units import sized

_STEPS = 24


@dataclass(frozen=True)
class Hours:
    """Of some builds."""

    at_most: float
    """Every candidate kept and every completion as long as it may be."""
    expected: float | None
    """At the share of that bound that finished builds with the same settings used; None where one of the builds has none."""


class Meter:
    """One worker of a build, as far as its speed goes."""

    def __init__(self, config: BuildConfig) -> None:
        self._engine = make_engine(config.engine, config.model, dtype=config.dtype, batch_tokens=config.batch_tokens)
        (problem,) = load_problems(config.problems, domain=config.domain, limit=1, seed=config.seed)
        self._prompt = self._engine.encode(render(problem, self._engine.tokenizer).text)
        self._config = config

    def tokens_per_second(self) -> float:
        """With half of a batch's rows, each half as long as it may be: completions end, and grow, one by one."""
        columns = len(self._prompt) + self._config.max_tokens
        rows = max(1, self._config.batch_tokens // columns // 2)
        written = (self._prompt * self._config.max_tokens)[: self._config.max_tokens // 2]
        request = Request(self._prompt, min(self._config.max_tokens, len(written) + _STEPS), written)
        start = perf_counter()
        self._engine.sample([request] * rows, temperature=self._config.temperature, stop=(), seed=0)
        return rows * (request.max_tokens - len(written)) / (perf_counter() - start)


def rate_here(config: BuildConfig) -> float | None:
    """Tokens per second of all workers that a build would have here, measured now; None where the model or the engine is not here."""
    if not is_here(config.model):
        return None
    try:
        config = sized(config)
        count = workers_for(config)
        with hire(count)(partial(Meter, config), max(1, count)) as workers:
            return sum(rate for _, rate in workers.map("tokens_per_second", {worker: () for worker in range(max(1, count))}))
    except (Refused, WorkFailed) as reason:
        announce(f"no hours are given for {config.model}: {reason}")
        return None


def rates_here(builds: Iterable[BuildConfig]) -> dict[tuple[str, str, str], float | None]:
    """Model, dtype and engine -> what `rate_here` gives for the first build with these."""
    rates: dict[tuple[str, str, str], float | None] = {}
    for build in builds:
        if speed_of(build) not in rates:
            rates[speed_of(build)] = rate_here(build)
    return rates


def speed_of(build: BuildConfig) -> tuple[str, str, str]:
    """What decides how fast a build is."""
    return build.model, build.dtype, build.engine


def shares_of(finished: Iterable[Path]) -> dict[str, float]:
    """Settings -> the share of their bound on tokens that the finished builds in these folders used."""
    shares = {}
    for folder in finished:
        config = BuildConfig.from_dict(read_json(folder / "manifest.json")["config"])
        shares[_settings(config)] = measured_share(folder)
    return shares


def hours_here(builds: Iterable[BuildConfig], rates: dict[tuple[str, str, str], float | None], shares: dict[str, float]) -> Hours | None:
    """What `builds` take at these rates; None where one of them has no rate."""
    at_most, expected = 0.0, 0.0
    for build in builds:
        rate = rates[speed_of(build)]
        if rate is None:
            return None
        hours = cost_of_build(build).tokens / rate / 3600
        at_most += hours
        expected += hours * shares.get(_settings(build), float("nan"))
    return Hours(at_most, expected if expected == expected else None)


def _settings(config: BuildConfig) -> str:
    """Those that decide what a build writes; the size of a batch may follow from the model."""
    return repr({name: value for name, value in asdict(config).items() if name not in ("keep_hidden", "batch_tokens")})
