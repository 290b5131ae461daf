"""What builds cost, and what all costs are made of. Every figure is a bound: all candidates of a build are kept, and every completion
uses its whole length limit.

`Assumptions` holds what is not known before it is measured; `measured_share` says how much of the bound a finished build used.
"""

from dataclasses import astuple, dataclass
from operator import add
from pathlib import Path

from hista_repro.errors import Refused
from hista_repro.planning.shapes import ModelShape, shape_of
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import read_manifest, read_table

BYTES_PER_STORED_TOKEN = 4 + 4 + 4
"""Of a rollout in a build: its id, where it ends in the text (both int32), and about four characters of text; before compression."""
GRADIENT_PASSES = 3
"""Forward, and twice as much backward."""


@dataclass(frozen=True)
class Assumptions:
    """A GPU, and how well it is used. Utilisations are assumed, not measured: replace them with those of your own machine."""

    gpu: str = "H800, 80 GB"
    peak_flops: float = 989e12
    """Dense bfloat16 operations per second, from the data sheet."""
    memory_bytes: float = 80e9
    sampling_utilisation: float = 0.10
    """Share of the peak that writing reaches in large batches, where memory and not arithmetic is the limit."""
    training_utilisation: float = 0.35
    """Share of the peak that reading and gradients reach."""
    network_bytes_per_second: float = 50e9
    """Between two nodes (400 Gbit/s)."""

    def sampling_hours(self, shape: ModelShape, tokens: float, context: float) -> float:
        """GPU-hours to write `tokens` after `context` others on average."""
        return tokens * shape.flops_per_token(context) / (self.peak_flops * self.sampling_utilisation) / 3600

    def reading_hours(self, shape: ModelShape, tokens: float, context: float, passes: float = 1) -> float:
        """GPU-hours to read `tokens`; a gradient takes `GRADIENT_PASSES`."""
        return passes * tokens * shape.flops_per_token(context) / (self.peak_flops * self.training_utilisation) / 3600


@dataclass(frozen=True)
class Cost:
    """At most so much for one build, training run or evaluation, or for several."""

    rollouts: int = 0
    """Completions from the prompt. Of a build: screening, group, and the independent pool where there is one."""
    continuations: int = 0
    """Completions from states. Of a build: references and draws."""
    tokens: int = 0
    """Newly written ones. A continuation writes what its state leaves, half of the limit on average."""
    gpu_hours: float = 0.0
    disk_bytes: int = 0
    """The files that are left, without the model at the start."""
    unknown: tuple[str, ...] = ()
    """What else there is, and could not be counted."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*map(add, astuple(self), astuple(other)))


def cost_of_build(config: BuildConfig, assumed: Assumptions | None = None) -> Cost:
    """The bound for a build; raises `Refused` where the configuration does not bound it."""
    if config.limit is None:
        raise Refused(f"no plan can be made for a build of {config.problems} without a limit on its problems; give it the field 'limit'")
    assumed = assumed or Assumptions()
    shape = shape_of(config.model)
    groups = config.group_size * (2 if config.independent_pool else 1)
    rollouts = config.limit * (config.screen + groups)
    continuations = config.limit * config.states * (config.references + config.draws)
    tokens = rollouts * config.max_tokens + continuations * config.max_tokens // 2
    hours = assumed.sampling_hours(shape, tokens, config.max_tokens / 2)
    return Cost(rollouts, continuations, tokens, hours, rollouts * config.max_tokens * BYTES_PER_STORED_TOKEN)


def reading_hours(config: BuildConfig, passes: float, rollouts: int | None = None, assumed: Assumptions | None = None) -> float:
    """GPU-hours of so many passes over `rollouts` (default: all of the group) of each problem of a build."""
    assumed = assumed or Assumptions()
    tokens = config.limit * (rollouts or config.group_size) * config.max_tokens
    return assumed.reading_hours(shape_of(config.model), tokens, config.max_tokens / 2, passes)


def measured_share(folder: Path) -> float:
    """The share of the bound on tokens that the finished build in `folder` wrote."""
    manifest = read_manifest(folder)
    config = BuildConfig.from_dict(manifest["config"])
    tables = ["screening", "rollouts", *(["pool"] if config.independent_pool else [])]
    written = sum(int(read_table(folder, name).token_ids.map(len).sum()) for name in tables)
    return (written + manifest["counts"]["continuation_tokens"]) / cost_of_build(config).tokens


def tensor_parallel(shape: ModelShape, assumed: Assumptions) -> int:
    """Over how many GPUs one engine is spread: the fewest, in powers of two, whose weights leave half of the memory to keys and values."""
    gpus = 1
    while shape.weight_bytes / gpus > assumed.memory_bytes / 2:
        gpus *= 2
    return gpus
