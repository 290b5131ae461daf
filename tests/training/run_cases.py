"""Trains every case and saves the parameters: `run_cases.py MODEL OUT`, alone or as one of several processes that share the completions."""

import os
import sys
from itertools import product
from pathlib import Path

import torch
from given_runs import build_trainer, train

from hista_repro.training import CreditGRPOTrainer

COMPLETIONS = {"a group on each": 16, "a group split": 8, "groups and a half": 24}
ESTIMATORS = ("loo-mean", "numca-loo", "hista-loo", "probe-loo")
SETTINGS = {"advantage_scale": "batch", "node_spacing": 4}


def main(model: str, out: str) -> None:
    torch.set_num_threads(1)
    processes, found = int(os.environ.get("WORLD_SIZE", "1")), {}
    for (name, completions), estimator in product(COMPLETIONS.items(), ESTIMATORS):
        config = {"max_steps": 3, "per_device_train_batch_size": completions // processes}
        trainer = build_trainer(CreditGRPOTrainer, model, out, config=config, estimator=estimator, **SETTINGS)
        found[f"{name}, {estimator}"] = train(trainer)
    if trainer.accelerator.is_main_process:
        torch.save(found, Path(out) / f"processes-{processes}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
