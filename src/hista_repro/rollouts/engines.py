"""Engines and readers by name, with their model loaded."""

from typing import TYPE_CHECKING

import torch

from hista_repro.rollouts.engine import Engine

if TYPE_CHECKING:
    from hista_repro.rollouts.transformers_engine import TransformersEngine

ENGINES = ("transformers", "vllm", "served")
DTYPES = ("float32", "bfloat16", "float16")


def make_engine(name: str, model: str, *, dtype: str, batch_tokens: int) -> Engine:
    """The engine `name` (of `ENGINES`) for `model`, which `resolve_model` finds, in `dtype` (of `DTYPES`).

    `batch_tokens` bounds rows times columns of a batch; vLLM and a server make batches of their own. Raises `Refused` where vLLM is not
    installed, where no server answers, and where there is no such model.
    """
    if name not in ENGINES:
        raise ValueError(f"name must be one of {', '.join(ENGINES)}, not {name!r}")
    if name == "vllm":
        from hista_repro.rollouts.vllm_engine import VllmEngine

        return VllmEngine(model, dtype=dtype)
    if name == "served":
        from hista_repro.rollouts.served_engine import ServedEngine

        return ServedEngine(model)
    return make_reader(model, dtype=dtype, batch_tokens=batch_tokens)


def make_reader(model: str, *, dtype: str, batch_tokens: int) -> "TransformersEngine":
    """What reads hidden states of `model`, whatever engine samples from it; arguments as for `make_engine`."""
    from hista_repro.rollouts.transformers_engine import TransformersEngine

    return TransformersEngine(model, dtype=getattr(torch, dtype), batch_tokens=batch_tokens)
