"""What a training run is asked for: a preset, and what differs from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hista_repro.conforming import configured
from hista_repro.errors import Refused, did_you_mean
from hista_repro.training.presets import PRESETS
from hista_repro.training.run_files import read_settings
from hista_repro.yaml12 import load_yaml

_LEAST = {
    **{"prompts": 1, "group_size": 2, "updates_per_generation": 1, "iterations": 1, "micro_batch": 1, "max_tokens": 1, "steps": 1},
    **{"validation_problems": 0, "validate_every": 1, "save_every": 1, "oversampling": 1},
}
DAMPINGS = ("position", "own-weight")


@dataclass(frozen=True)
class TrainConfig:
    """A run. Lengths are in tokens; the paper's values where it, or the authors' recipes, give them."""

    model: str
    problems: str
    out: str
    preset: str = "dapo"
    domain: str | None = None
    limit: int | None = None
    """At most so many problems, those held out included."""
    estimator: str | None = None
    """null: the preset's own baseline; "none": the group mean as TRL computes it."""
    estimator_settings: dict[str, Any] = field(default_factory=dict)
    gae_lambda: float = 1.0
    """As in all of the authors' recipes."""
    node_spacing: int | None = None
    """Tokens from node to node; null: what the estimator asks for, or the paper's 50, less where `max_tokens` is below 1000."""
    advantage_scale: str = "none"
    """One of `credit.AdvantageScale`; `scale_rewards` of `trl` counts only without an estimator."""
    damping: str | None = None
    """A control arm: "position", or "own-weight" with the weight that `damping_estimator` gives the own reward."""
    damping_estimator: str = "hista"
    allow_biased: bool = False
    critic: dict[str, Any] = field(default_factory=dict)
    """Settings of `ppo.PPOCritic`, for the preset ppo."""
    hidden_align: dict[str, Any] | None = None
    """Settings of `hidden_align.HiddenAlign`; {} for its defaults, null for no such loss."""
    gradient_variance: bool = False
    """Whether the variance of the policy gradient is reported; see `gradient_variance.GradientVarianceMixin`."""
    prompts: int = 8
    """Prompts of a generation step."""
    group_size: int = 32
    """G (authors' recipes)."""
    oversampling: int | None = None
    """Prompts drawn for each that is kept; null: the preset's."""
    overlong_penalty: bool = False
    """Whether the preset's penalty on long completions is added to the reward. None in the authors' recipes."""
    updates_per_generation: int = 1
    """Updates into which the completions of a generation step are split."""
    iterations: int = 1
    """How often they are gone through (the authors' recipes: 4)."""
    micro_batch: int = 16
    """Completions of one forward and backward pass on one process."""
    max_tokens: int = 4096
    temperature: float = 0.7
    steps: int = 1000
    """Updates."""
    learning_rate: float = 1e-6
    warmup_steps: int = 0
    schedule: str = "constant_with_warmup"
    max_grad_norm: float = 0.2
    bf16: bool = False
    """Mixed precision."""
    gradient_checkpointing: bool = False
    """Less memory, a fifth slower."""
    validation_problems: int = 0
    """Problems held out; one completion each is graded at step 0 and every `validate_every` steps."""
    validate_every: int = 50
    save_every: int = 50
    seed: int = 0
    trl: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `trl.GRPOConfig`, such as use_vllm, gradient_checkpointing or report_to."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise Refused(f"{name} must be at least {least}, not {value}")
        if self.preset not in PRESETS:
            raise Refused(f"unknown preset {self.preset!r}; {did_you_mean(self.preset, PRESETS)}")
        if self.damping not in (None, *DAMPINGS):
            raise Refused(f"damping must be null or one of {', '.join(DAMPINGS)}, not {self.damping!r}")
        if not self.temperature > 0:
            raise Refused(f"temperature must be above 0, since rollouts must differ, not {self.temperature!r}")
        if self.completions % self.updates_per_generation:
            raise Refused(f"updates_per_generation {self.updates_per_generation} does not divide prompts x group_size = {self.completions}")

    @property
    def completions(self) -> int:
        """Completions of a generation step that are trained on, over all processes."""
        return self.prompts * self.group_size

    @property
    def chosen_estimator(self) -> str | None:
        """The name of the estimator, the preset's where the run names none; None: the group mean as TRL computes it."""
        name = self.estimator or PRESETS[self.preset].estimator
        return None if name == "none" else name

    @property
    def chosen_oversampling(self) -> int:
        """Prompts drawn for each that is kept, as many as the preset draws where the run says nothing."""
        return self.oversampling or PRESETS[self.preset].oversampling

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "TrainConfig":
        """Raises `Refused` for a setting that does not exist, one that is missing and one of another type."""
        return configured(cls, settings, "a training run")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_config(path: Path, overrides: dict[str, str] | None = None) -> TrainConfig:
    """The configuration in the YAML file `path` (see `run_files`), with settings replaced.

    In `overrides`, "trl.NAME" names an entry of a mapping, and "run" chooses one of the runs that a file holds. Raises `Refused` where the
    file cannot be read, is no mapping, or asks for what does not exist.
    """
    texts = dict(overrides or {})
    document = read_settings(path, texts.pop("run", None))
    for name, text in texts.items():
        try:
            value = load_yaml(text)
        except ValueError as error:
            raise Refused(f"the value of {name} is not YAML: {error}") from None
        outer, _, inner = name.partition(".")
        document[outer] = {**(document.get(outer) or {}), inner: value} if inner else value
    return TrainConfig.from_dict(document)
