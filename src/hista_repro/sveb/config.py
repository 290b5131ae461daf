"""What a build of the benchmark is asked for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hista_repro.conforming import configured
from hista_repro.errors import Refused
from hista_repro.rollouts.engines import DTYPES, ENGINES

_FORMER_BATCH_TOKENS = 1 << 16


@dataclass(frozen=True)
class BuildConfig:
    """Everything that decides what a build holds; the paper's values (sections 4.1 and 6.1) where it gives them."""

    model: str
    """A bundled name such as `tiny`, a local folder, a .gguf file or a hub id."""
    problems: str
    """A built-in source, a .jsonl file or a folder of such files, or the hub id of a data set that the project knows."""
    domain: str | None = None
    """Only problems of this domain."""
    limit: int | None = None
    """At most so many candidate problems, before the accuracy filter."""
    group_size: int = 40
    """G rollouts of each kept problem ("@40")."""
    states: int = 5
    """States cut from the rollouts of each problem ("roughly 1,000 math problems and 5,000 intermediate states")."""
    cut_every: int | None = None
    """States lie at multiples of so many tokens, at most one in a rollout; without it anywhere, uniform over the tokens of a rollout, as
    published. See `hista_repro.sveb.states` for what the two favour."""
    independent_pool: bool = False
    """Whether estimators see G further rollouts of each problem, from which no state is cut, and of a state's own rollout the state alone.
    As released, they see the rollouts that states are cut from."""
    references: int = 20
    """n independent continuations of each state ("MCS@20")."""
    draws: int = 3
    """Further continuations of each state, kept apart from the reference, for MCS@k up to this k."""
    screen: int = 20
    """Rollouts per candidate from which its accuracy is measured (Appendix H), apart from the group."""
    screen_first: int | None = None
    """Rollouts per candidate that are sampled first; the rest follow where some of these are right and some wrong, few enough are cut off,
    and the median holds enough new numbers. This saves most of the screening, and costs problems near the limits: one of accuracy p is
    lost with probability p^n + (1-p)^n, for n = 6 of 0.1: 53%, of 0.2: 26%, of 0.5: 3%. Without it all are sampled at once, as
    published."""
    min_accuracy: float = 0.1
    """Least accuracy of a kept problem."""
    max_accuracy: float = 0.8
    """Largest accuracy of a kept problem."""
    max_truncated: float = 1.0
    """Largest share of a kept problem's screening rollouts that are cut off at `max_tokens`. Not in the paper, whose limit is longer."""
    min_new_numbers: int = 0
    """Distinct numbers that the median rollout of a kept problem holds and the question does not; for SVEB-Number "exceeds four"
    (section 6.1), so 5. The paper does not say how rollouts are combined."""
    verifier: str | None = None
    """A model that judges answers which no rule finds right, such as TIGER-Lab/general-verifier, served where `HISTA_REPRO_VERIFIER_URL`
    says; see `hista_repro.problems.grading.model_verifier`."""
    temperature: float = 0.7
    """Of all that is sampled; above 0."""
    max_tokens: int = 4096
    """Length limit of a whole completion; a continuation may use what its state has left of it. A completion that reaches the limit is
    graded like any other, by what it holds: right if the answer is there already, and else "unparsed", worth 0."""
    engine: str = "transformers"
    """What samples; `served` is a model behind the OpenAI-compatible endpoint that `HISTA_REPRO_SERVER_URL` names. Hidden states are read
    by transformers whatever samples."""
    dtype: str = "float32"
    """In which the model computes."""
    batch_tokens: int | None = None
    """Rows times columns of one sampling batch, which is also the work that a kill may lose. By default it follows from the model and
    stands in the manifest: on a CPU, what a core writes in a minute or two. Which requests share a batch decides which random numbers
    they get."""
    keep_hidden: bool = False
    """Whether the hidden states of the last layer are kept with the rollouts, so that scoring need not read these again; how much room
    that may take is checked before the build starts. See `hista_repro.sveb.hidden_store`."""
    seed: int = 0
    """From which all random numbers follow."""

    def __post_init__(self) -> None:
        minimum = {
            "limit": 1,
            "group_size": 2,
            "states": 1,
            "cut_every": 1,
            "references": 2,
            "draws": 0,
            "screen": 1,
            "screen_first": 1,
            "min_new_numbers": 0,
            "max_tokens": 2,
            "batch_tokens": 1,
        }
        for name, least in minimum.items():
            value = getattr(self, name)
            if value is None and name in ("limit", "cut_every", "screen_first", "batch_tokens"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise Refused(f"{name.replace('_', '-')} must be an integer of at least {least}, not {value!r}")
        for name in ("independent_pool", "keep_hidden"):
            if not isinstance(getattr(self, name), bool):
                raise Refused(f"{name.replace('_', '-')} must be true or false, not {getattr(self, name)!r}")
        if self.screen_first is not None and self.screen_first >= self.screen:
            raise Refused(f"screen-first must be below screen, not {self.screen_first} of {self.screen}")
        if not 0 <= self.max_truncated <= 1:
            raise Refused(f"max-truncated must lie between 0 and 1, not {self.max_truncated!r}")
        if self.cut_every is not None and self.cut_every >= self.max_tokens:
            raise Refused(f"cut-every must be below max-tokens, or no rollout reaches a cut, not {self.cut_every} of {self.max_tokens}")
        for name, known in (("engine", ENGINES), ("dtype", DTYPES)):
            if getattr(self, name) not in known:
                raise Refused(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if not self.temperature > 0:
            raise Refused(f"temperature must be above 0, since continuations must differ, not {self.temperature!r}")
        if not 0 <= self.min_accuracy <= self.max_accuracy <= 1:
            raise Refused(f"accuracies must satisfy 0 <= min <= max <= 1, not {self.min_accuracy!r} and {self.max_accuracy!r}")

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "BuildConfig":
        """Raises `Refused` for a setting that does not exist, one that is missing and one of another type."""
        return configured(cls, settings, "a build")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """The settings by which one build is told from another.

        Earlier source wrote its default size of batches down as if it had been asked for. A build that was begun keeps its size, so that
        size and none are the same to ask for.
        """
        return {**asdict(self), "batch_tokens": None if self.batch_tokens == _FORMER_BATCH_TOKENS else self.batch_tokens}


def other_design(settings: Mapping[str, Any], cut_every: int) -> dict[str, Any]:
    """The settings of the build that differs in its design alone from one in the paper's: states at fixed positions, and an independent
    pool."""
    return {**settings, "cut_every": cut_every, "independent_pool": True}
