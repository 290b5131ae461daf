"""Who samples a build on this machine."""

import os

import torch

from hista_repro.distributed import Hire, hire_here, hire_processes
from hista_repro.models import resolve_model
from hista_repro.models.sizes import parameters_of
from hista_repro.sveb.config import BuildConfig

_WEIGHTS_WORTH_A_PROCESS = 5e7
"""Smaller models are done before a second process has started."""
_MEMORY_PER_WEIGHT, _MEMORY_BESIDE = 1.5, 3e9
"""What a worker takes: so many times the bytes of the weights, and so many bytes for what it reads and writes."""
_SHARE_OF_MEMORY = 0.7


def hire_for(config: BuildConfig, workers: int | None = None) -> Hire:
    """So many processes with one thread each; without `workers` as many as this machine has cores and memory for.

    This process does everything itself where it has a GPU, where `config` asks for an engine that makes batches of its own, and where the
    model is small; the same model is sampled alike by one process or several.
    """
    if workers is not None:
        return hire_processes(workers)
    if torch.cuda.is_available() or config.engine != "transformers":
        return hire_here
    from transformers import AutoConfig

    weights = parameters_of(AutoConfig.from_pretrained(resolve_model(config.model), local_files_only=True))
    if weights < _WEIGHTS_WORTH_A_PROCESS:
        return hire_here
    needed = weights * getattr(torch, config.dtype).itemsize * _MEMORY_PER_WEIGHT + _MEMORY_BESIDE
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE_OF_MEMORY
    return hire_processes(max(1, min(len(os.sched_getaffinity(0)), int(memory / needed))))
