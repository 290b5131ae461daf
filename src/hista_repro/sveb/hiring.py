"""Who samples a build on this machine."""

import os

import torch

from hista_repro.distributed import Hire, hire_here, hire_processes
from hista_repro.models import resolve_model
from hista_repro.models.sizes import parameters_of
from hista_repro.sveb.config import BuildConfig

_WEIGHTS_WORTH_A_PROCESS = 5e7
"""A smaller model is done before a second process has started."""
_MEMORY_PER_WEIGHT, _MEMORY_BESIDE = 1.5, 3e9
"""What a worker takes: so many times the bytes of the weights, and so many bytes for what it reads and writes."""
_SHARE_OF_MEMORY = 0.7


def hire_for(config: BuildConfig, workers: int | None = None) -> Hire:
    """So many processes with one thread each; without `workers` as many as suit the model and this machine."""
    return hire(workers_for(config) if workers is None else workers)


def hire(workers: int) -> Hire:
    """So many processes with one thread each, or with 0 this process alone."""
    return hire_processes(workers) if workers else hire_here


def workers_for(config: BuildConfig) -> int:
    """One process for each core as far as memory goes; 0, for this process alone, where processes gain nothing.

    They gain nothing where this machine has a GPU, where `config` asks for an engine that makes batches of its own, and where the model is
    done before a second process has started.
    """
    if torch.cuda.is_available() or config.engine != "transformers":
        return 0
    from transformers import AutoConfig

    weights = parameters_of(AutoConfig.from_pretrained(resolve_model(config.model), local_files_only=True))
    if weights < _WEIGHTS_WORTH_A_PROCESS:
        return 0
    needed = weights * getattr(torch, config.dtype).itemsize * _MEMORY_PER_WEIGHT + _MEMORY_BESIDE
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE_OF_MEMORY
    return max(1, min(len(os.sched_getaffinity(0)), int(memory / needed)))
