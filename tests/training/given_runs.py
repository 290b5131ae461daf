"""A trainer whose rollouts are given, so that runs can be compared exactly."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from hista_repro.models import load_model

PROMPTS = ["1+2?", "what is 30 take 4?", "7", "12-9+5?"]
ENDINGS = ["a3", "2 and then 5 so 7", "", "x y z 9", "44 is 4 and 4", "no 3", "12-9=3;3+5=8 8", "q" * 24]
EOS = 1


def count_of(letters: str) -> Callable[..., list[float]]:
    """A reward: 1 where the completion holds one of `letters`."""

    def reward(completions: Sequence[str], **_: Any) -> list[float]:
        return [float(any(letter in text for letter in letters)) for text in completions]

    return reward


def given_rollouts(prompts: Sequence[str], trainer: GRPOTrainer) -> dict[str, list]:
    """TRL's rollout function: completions that depend on prompt and place in the group alone; every fourth is cut before its end."""
    tokenizer, size = trainer.processing_class, trainer.num_generations
    first = trainer.accelerator.process_index * len(prompts)
    prompt_ids, completion_ids = [], []
    for row, prompt in enumerate(prompts, start=first):
        text = ENDINGS[(row % size + len(prompt)) % len(ENDINGS)]
        ids = tokenizer(text)["input_ids"] if text else []
        cut = (row % size) % 4 == 3 and ids
        prompt_ids.append(tokenizer(prompt)["input_ids"])
        completion_ids.append(ids if cut else [*ids, EOS])
    return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}


def build_trainer(kind: type[GRPOTrainer], model: str, out: Any, *, config: dict[str, Any] | None = None, **settings: Any) -> GRPOTrainer:
    """A trainer of `kind` on one CPU thread with plain gradient descent, so that a step shows its gradient."""
    network, tokenizer = load_model(str(model))
    defaults = {
        **{"output_dir": str(out), "report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "seed": 0},
        **{"optim": "sgd", "learning_rate": 0.1, "lr_scheduler_type": "constant", "max_grad_norm": 0.0, "logging_steps": 1},
        **{"num_generations": 8, "per_device_train_batch_size": 16, "max_completion_length": 24, "max_steps": 2, "temperature": 1.0},
        **{"shuffle_dataset": False, "gradient_checkpointing": False, "bf16": False, "dataloader_num_workers": 0},
    }
    options = {"reward_funcs": count_of("347"), "rollout_func": given_rollouts, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(
            model=network,
            args=GRPOConfig(**{**defaults, **(config or {})}),
            train_dataset=Dataset.from_dict({"prompt": PROMPTS * 8}),
            processing_class=tokenizer,
            **options,
        )


def train(trainer: GRPOTrainer) -> dict[str, Any]:
    """Losses of the steps, and the parameters after them."""
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"losses": losses, "parameters": parameters(trainer)}


def parameters(trainer: GRPOTrainer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.accelerator.unwrap_model(trainer.model).parameters()])
