"""The vLLM engine: samples on GPUs, and on CPUs with vLLM's build for them. Hidden states are read by the transformers engine.

The engine runs in this process, where its random numbers are those of PyTorch's global generators. These are seeded for each call: seeds
per request would be vLLM's own way, but its CPU build stops at one when a prompt is read in chunks ("CPU Generator does not use offset").
A call also begins with an empty prefix cache, since what is cached decides which requests share a step, and so their random numbers.
Within a call the continuations of a state read their common prefix once.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoTokenizer

from hista_repro.errors import Refused
from hista_repro.models import resolve_model
from hista_repro.progress import Report, unheard
from hista_repro.rollouts.decoding import Decoder, encode_prompt, ends_of_sequence, generation_config
from hista_repro.rollouts.engine import Completion, Request
from hista_repro.seeding import derive_seed

if TYPE_CHECKING:
    from vllm import LLM

_CPU_CACHE_BYTES = 1 << 31


class VllmEngine:
    """An `Engine` over `vllm.LLM`; raises `Refused` where vLLM is not installed."""

    def __init__(self, model: str, *, dtype: str = "float32") -> None:
        folder = resolve_model(model)
        self.llm = _start(folder, dtype)
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.context: int | None = self.llm.llm_engine.model_config.max_model_len
        self._eos = ends_of_sequence(generation_config(folder), self.tokenizer)
        self._decoder = Decoder(self.tokenizer, self._eos)
        self.report: Report = unheard

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`."""
        return encode_prompt(self.tokenizer, text)

    def sample(
        self, requests: Sequence[Request], *, temperature: float, stop: Sequence[str], seed: int, keep_hidden: bool = False
    ) -> list[Completion]:
        """See `Engine.sample`. Equal requests share a prompt in the prefix cache; no hidden states are kept."""
        from vllm import SamplingParams

        prompts = [{"prompt_token_ids": list(request.read)} for request in requests]
        limits = [
            SamplingParams(
                temperature=temperature,
                top_p=1.0,
                top_k=0,
                max_tokens=request.max_tokens - len(request.written),
                stop=list(stop),
                stop_token_ids=self._eos,
            )
            for request in requests
        ]
        self.llm.reset_prefix_cache()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(derive_seed(seed, "vllm"))
            outputs = self.llm.generate(prompts, limits, use_tqdm=False)
        written = [output.outputs[0].token_ids for output in outputs]
        return [self._decoder.completion([*request.written, *ids], stop) for request, ids in zip(requests, written, strict=True)]


def _start(folder: Path, dtype: str) -> "LLM":
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # vLLM logs to standard output
    try:
        from vllm import LLM
    except ImportError:
        raise Refused("the vllm engine needs vLLM: pip install vllm, or use --engine transformers") from None
    memory = {} if torch.cuda.is_available() else {"kv_cache_memory_bytes": _CPU_CACHE_BYTES}
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        return LLM(model=str(folder), dtype=dtype, seed=0, generation_config="vllm", enable_prefix_caching=True, **memory)
