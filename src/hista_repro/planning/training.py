"""What training runs cost, as a bound: every completion, of validation too, uses its whole length limit. Prompts are not counted."""

from math import ceil

from hista_repro.estimators import get_estimator
from hista_repro.planning.costs import GRADIENT_PASSES, Assumptions, Cost
from hista_repro.planning.shapes import shape_of
from hista_repro.training.config import TrainConfig
from hista_repro.training.credit import node_spacing_of
from hista_repro.training.ppo import PPOCritic, PPOTrainer
from hista_repro.training.presets import PRESETS

_CHECKPOINTS = 2
_BYTES_IN_CHECKPOINT = 2 + 4 + 8
"""Of a parameter under DeepSpeed: weights in bfloat16, and in float32 their master copy and Adam's two moments. Without it 12."""
_BYTES_IN_MODEL = 4


def cost_of_training(config: TrainConfig, assumed: Assumptions | None = None) -> Cost:
    """The bound for a run.

    Everything that is drawn is counted, also what dynamic sampling then drops, and is read once for its log-probabilities. What is kept
    takes a gradient in each iteration. Of what credit costs only fresh continuations and PPO's critic are counted. Raises `Refused` for
    a model whose sizes are not known.
    """
    assumed = assumed or Assumptions()
    shape, longest = shape_of(config.model), config.max_tokens
    generations = ceil(config.steps / (config.updates_per_generation * config.iterations))
    kept = generations * config.completions
    drawn = kept * config.chosen_oversampling
    validated = config.validation_problems * (1 + config.steps // config.validate_every)
    continuations = kept * _continuations_of_each(config)
    written = (drawn + validated) * longest + continuations * longest // 2
    gradients = config.steps * config.completions // config.updates_per_generation
    critic_passes = _critic_passes(config)
    read = drawn + gradients * (GRADIENT_PASSES + config.gradient_checkpointing) + kept * critic_passes
    networks = 2 if critic_passes else 1
    return Cost(
        rollouts=drawn + validated,
        continuations=continuations,
        tokens=written,
        gpu_hours=assumed.sampling_hours(shape, written, longest / 2) + assumed.reading_hours(shape, read * longest, longest / 2),
        disk_bytes=shape.parameters * (_CHECKPOINTS * _BYTES_IN_CHECKPOINT * networks + _BYTES_IN_MODEL),
    )


def _continuations_of_each(config: TrainConfig) -> int:
    """Fresh continuations that the estimator asks for of one completion: some of each of its nodes."""
    if config.chosen_estimator is None:
        return 0
    estimator = get_estimator(config.chosen_estimator, **config.estimator_settings)
    return estimator.draws * ceil(config.max_tokens / (config.node_spacing or node_spacing_of(estimator, config.max_tokens)))


def _critic_passes(config: TrainConfig) -> int:
    """How often a critic reads each completion that is kept: for its values, and then to learn from it."""
    if not issubclass(PRESETS[config.preset].trainer, PPOTrainer):
        return 0
    return 1 + GRADIENT_PASSES * PPOCritic(**config.critic).epochs
