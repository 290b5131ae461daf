"""One training run: from a configuration to a folder with metrics, checkpoints and the trained model.

The folder holds `manifest.json` (configuration, versions, status), `metrics.jsonl` (appended, see `metrics_log`), `checkpoint-*` and, at
the end, `model`. A run that was stopped goes on from its last whole checkpoint. Completions that were drawn but not trained on are not in
a checkpoint: they are drawn anew, which `metrics.jsonl` says, and so is what an estimator that learns was fitted on.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import PrinterCallback
from trl import GRPOConfig
from trl.rewards import get_soft_overlong_punishment

from hista_repro.conforming import configured
from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.files import append_event, claim_folder, sha256_of, write_json
from hista_repro.manifests import is_done, manifest_of_same
from hista_repro.models import load_model, resolve_model
from hista_repro.problems.problem import Problem, digest_of
from hista_repro.problems.sources import load_problems
from hista_repro.progress import progress
from hista_repro.provenance import history
from hista_repro.rollouts.decoding import ends_of_sequence
from hista_repro.seeding import derive_seed
from hista_repro.training.callbacks import RunLog, newest_checkpoint
from hista_repro.training.config import TrainConfig
from hista_repro.training.damping import Damping, by_own_weight, by_position
from hista_repro.training.gradient_variance import GradientVarianceMixin
from hista_repro.training.hidden_align import HiddenAlign, HiddenAlignMixin
from hista_repro.training.ppo import PPOCritic, PPOTrainer
from hista_repro.training.presets import PRESETS
from hista_repro.training.tasks import accuracy_reward, prompt_rows, stop_tokens
from hista_repro.training.trainer import CreditGRPOTrainer

_TRL_SEEDS = 2**32
_OF_ESTIMATORS = ("estimator_settings", "gae_lambda", "node_spacing", "damping")
"""Settings that do nothing without an estimator. Nor does `advantage_scale`, which may still say what TRL does."""


def train(config: TrainConfig) -> Path:
    """Carry out the run, or what is left of it, and return its folder.

    Raises `Refused`, before anything is written, for a request that cannot be met and for a folder that holds another run; `WorkFailed`
    where training breaks down, with what was finished kept.
    """
    folder = Path(config.out)
    problems = load_problems(config.problems, domain=config.domain, limit=config.limit, seed=config.seed)
    identity = {
        "config": config.to_dict(),
        "model_sha256": sha256_of(resolve_model(config.model)),
        "problems_sha256": digest_of(problems),
    }
    begun = partial(manifest_of_same, folder, identity, "a training run", complete=_completed, apart_from={"out"})
    if is_done(begun()):
        return folder
    trainer = _trainer(config, problems, folder)
    main = trainer.accelerator.is_main_process
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)  # a name that TRL still uses
        with trainer.accelerator.main_process_first():
            if main:
                stack.enter_context(claim_folder(folder))
            manifest = begun()  # another start may have written it while the model was loaded
            if is_done(manifest):
                return folder
            checkpoint = newest_checkpoint(folder)
            done = 0 if checkpoint is None else int(checkpoint.name.rpartition("-")[2])
            if main:
                # earlier source noted no restarts
                manifest = {**(manifest or identity), **history(manifest and {"restarts": [], **manifest})}
                write_json(folder / "manifest.json", {**manifest, "status": "running"})
                started = {"event": "started", "time": time.time(), "step": done}
                append_event(folder / "metrics.jsonl", {**started, "redrawn": True} if done else started)
        trainer.args.eval_on_start &= checkpoint is None  # a checkpoint's own validation went before it
        bar = stack.enter_context(progress(config.steps, "training", unit="updates", initial=done))
        trainer.add_callback(RunLog(folder, bar))
        try:
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
            trainer.save_model(str(folder / "model"))  # on all processes, which may each hold a part of it
        except (RuntimeError, ValueError, OSError) as error:
            raise WorkFailed(f"training stopped at update {trainer.state.global_step}: {error}; checkpoints are kept") from error
        if main:
            write_json(folder / "manifest.json", {**manifest, "status": "done"})
    return folder


def _completed(settings: dict[str, Any]) -> dict[str, Any]:
    """With those that earlier source did not have."""
    return TrainConfig.from_dict(settings).to_dict()


def _trainer(config: TrainConfig, problems: list[Problem], folder: Path) -> CreditGRPOTrainer:
    """Everything that can be refused is refused here. The trainer makes `folder`, and writes nothing into it yet."""
    preset = PRESETS[config.preset]
    problems, held_out = _split(problems, config)
    arguments = _arguments(config, folder)
    model, tokenizer = load_model(config.model)
    if tokenizer.eos_token_id is None:
        raise Refused(f"the tokenizer of {config.model} names no end-of-sequence token, which TRL needs; set its eos_token")
    tokenizer.padding_side = "left"
    if stops := stop_tokens([*problems, *held_out], tokenizer):
        model.generation_config.eos_token_id = [*ends_of_sequence(model.generation_config, tokenizer), *stops]
    kind, settings = preset.trainer, _credit_settings(config, arguments.scale_rewards)
    if config.hidden_align is not None:
        kind = type(f"HiddenAlign{kind.__name__}", (HiddenAlignMixin, kind), {})
        settings["align"] = configured(HiddenAlign, config.hidden_align, "hidden_align")
    if config.gradient_variance:
        kind = type(f"GradientVariance{kind.__name__}", (GradientVarianceMixin, kind), {})
    if issubclass(kind, PPOTrainer):
        settings["critic"] = configured(PPOCritic, config.critic, "the critic")
    elif config.critic:
        raise Refused(f"critic is set, and the preset {config.preset} has none; choose ppo")
    trainer = kind(
        model,
        _rewards(config, [*problems, *held_out]),
        arguments,
        train_dataset=prompt_rows(problems, tokenizer),
        eval_dataset=prompt_rows(held_out, tokenizer) if held_out else None,
        processing_class=tokenizer,
        **settings,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _rewards(config: TrainConfig, problems: list[Problem]) -> list[Callable[..., list[float]]]:
    rewards = [accuracy_reward(problems)]
    if config.overlong_penalty:
        share = PRESETS[config.preset].overlong_share
        if share is None:
            raise Refused(f"overlong_penalty is set, and the preset {config.preset} has none; choose dapo")
        rewards.append(get_soft_overlong_punishment(config.max_tokens, max(round(share * config.max_tokens), 1)))
    return rewards


def _split(problems: list[Problem], config: TrainConfig) -> tuple[list[Problem], list[Problem]]:
    """Problems to train on, and those held out for validation."""
    held_out, problems = problems[: config.validation_problems], problems[config.validation_problems :]
    needed = config.prompts * config.chosen_oversampling
    if len(problems) < needed:
        raise Refused(
            f"a generation step draws {needed} prompts, and {config.problems} leaves {len(problems)} beside {len(held_out)} held out; "
            "set a larger limit, fewer prompts or fewer validation_problems"
        )
    return problems, held_out


def _arguments(config: TrainConfig, folder: Path) -> GRPOConfig:
    """TRL's configuration; raises `Refused` where TRL does not take it."""
    processes = PartialState(cpu=bool(config.trl.get("use_cpu"))).num_processes
    if config.completions % (config.micro_batch * processes * config.updates_per_generation):
        raise Refused(
            f"micro_batch {config.micro_batch} x {processes} processes x {config.updates_per_generation} updates_per_generation does not "
            f"divide prompts x group_size = {config.completions}; change one of them"
        )
    passes = config.completions // (config.micro_batch * processes)
    validates = config.validation_problems > 0
    ours = {
        **PRESETS[config.preset].grpo_arguments(),
        **{"output_dir": str(folder), "seed": derive_seed(config.seed, "training") % _TRL_SEEDS, "max_steps": config.steps},
        **{"num_generations": config.group_size, "per_device_train_batch_size": config.micro_batch, "steps_per_generation": passes},
        **{"gradient_accumulation_steps": passes // config.updates_per_generation, "num_iterations": config.iterations},
        **{"max_completion_length": config.max_tokens, "temperature": config.temperature},
        **{"learning_rate": config.learning_rate, "lr_scheduler_type": config.schedule, "warmup_steps": config.warmup_steps},
        **{"max_grad_norm": config.max_grad_norm, "bf16": config.bf16},
        **{"gradient_checkpointing": config.gradient_checkpointing, "report_to": "none", "logging_steps": 1, "disable_tqdm": True},
        **{"save_strategy": "steps", "save_steps": config.save_every, "save_total_limit": 2},
        **{"eval_strategy": "steps" if validates else "no", "eval_steps": config.validate_every, "eval_on_start": validates},
        **{"num_generations_eval": 1, "per_device_eval_batch_size": min(config.completions, max(config.validation_problems, 1))},
    }
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # about names that TRL itself still uses
            return GRPOConfig(**{**ours, **config.trl})
    except (TypeError, ValueError) as error:
        raise Refused(f"TRL refuses the configuration: {str(error).splitlines()[0]}") from None


def _credit_settings(config: TrainConfig, scale_rewards: str) -> dict[str, Any]:
    """What `CreditGRPOTrainer` takes besides TRL's arguments; `Refused` for what no estimator is there to use."""
    name = config.chosen_estimator
    if name is None:
        plain = TrainConfig(config.model, config.problems, config.out)
        unused = [setting for setting in _OF_ESTIMATORS if getattr(config, setting) != getattr(plain, setting)]
        if config.advantage_scale not in (plain.advantage_scale, scale_rewards):
            unused.append("advantage_scale")
        if unused:
            raise Refused(f"{unused[0]} is set, and the run has no estimator; choose one, such as loo-mean, or leave {unused[0]} out")
    return {
        "estimator": None if name is None else _estimator(name, config),
        "gae_lambda": config.gae_lambda,
        "node_spacing": config.node_spacing,
        "advantage_scale": config.advantage_scale,
        "damping": _damping(config),
        "oversampling": config.chosen_oversampling,
        "allow_biased": config.allow_biased,
    }


def _estimator(name: str, config: TrainConfig) -> Estimator:
    """The estimator called `name`, adapted to the lengths and the model of the run, with what the run sets on top."""
    try:
        get_estimator(name, **config.estimator_settings)
    except (TypeError, ValueError) as error:
        raise Refused(f"estimator_settings do not fit {name}: {error}") from None
    return replace(_adapted(name, config), **config.estimator_settings)


def _adapted(name: str, config: TrainConfig) -> Estimator:
    return get_estimator(name).for_length(config.max_tokens).for_model(config.model)


def _damping(config: TrainConfig) -> Damping | None:
    match config.damping:
        case "position":
            return by_position
        case "own-weight":
            return by_own_weight(_adapted(config.damping_estimator, config))
    return None
