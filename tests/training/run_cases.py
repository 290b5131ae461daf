"""Trains every case and saves the parameters, alone or as one of several processes that share the completions."""

import gc
import os
from itertools import product
from pathlib import Path

import torch
from given_runs import build_trainer, train

from hista_repro.training import CreditGRPOTrainer

CASES = {"a group on each": (16, 1), "a group split": (8, 1), "groups and a half": (24, 1), "the most mixed group split": (8, 2)}
"""Completions of a step, and how many times as many are drawn."""
ESTIMATORS = ("loo-mean", "numca-loo", "hista-loo", "probe-loo", "loo-share")
SETTINGS = {"advantage_scale": "batch", "node_spacing": 4}


def main(model: str, out: str) -> None:
    gc.freeze()  # every trainer collects garbage several times
    processes, found = int(os.environ.get("WORLD_SIZE", "1")), {}
    for (name, (completions, oversampling)), estimator in product(CASES.items(), ESTIMATORS):
        config = {"max_steps": 3, "per_device_train_batch_size": completions // processes}
        settings = {**SETTINGS, "estimator": estimator, "oversampling": oversampling}
        trainer = build_trainer(CreditGRPOTrainer, model, out, config=config, **settings)
        found[f"{name}, {estimator}"] = train(trainer)
    if trainer.accelerator.is_main_process:
        torch.save(found, Path(out) / f"processes-{processes}.pt")
