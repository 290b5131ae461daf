"""What a training run needs on each GPU, worked out from the sizes of the model, the run and the launch.

Weights, gradients and optimiser states are those of mixed-precision Adam under ZeRO (arXiv 1910.02054, section 3.1 and figure 1): for each
parameter 2 bytes in bfloat16, 2 of gradient, and 12 in float32 for the master copy and the two moments. Activations are what a backward
pass with gradient checkpointing holds: the input of every layer, and the inner values of the layer that is computed anew. Logits are never
held, since TRL goes through them in tiles. What fragmentation, communication and CUDA itself take is not counted.

`python -m hista_repro.planning.training_memory` prints the table of the paper's settings.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from transformers import PretrainedConfig

from hista_repro.estimators import get_estimator
from hista_repro.models.sizes import cache_bytes_per_token, head_size, model_config, parameters_of
from hista_repro.training.config import TrainConfig, read_config
from hista_repro.training.run_files import BUNDLED
from hista_repro.yaml12 import load_yaml

_BF16, _FP32 = 2, 4
_ADAM = 3 * _FP32
_PROMPT_TOKENS = 512
"""Room for a prompt beside its completion; the paper does not state it."""


@dataclass(frozen=True)
class Launch:
    """How weights lie on GPUs: a ZeRO stage from 0 (whole everywhere) to 3 (all of it shared out), and whether the CPU keeps them."""

    processes: int
    stage: int = 0
    offloads: bool = False

    @classmethod
    def read(cls, path: Path) -> "Launch":
        """The launch of one of accelerate's files; FSDP is stage 3."""
        document = load_yaml(Path(path).read_text(encoding="utf-8"))
        deepspeed = document.get("deepspeed_config", {"zero_stage": 3})
        return cls(document["num_processes"], deepspeed["zero_stage"], deepspeed.get("offload_optimizer_device", "none") == "cpu")


@dataclass(frozen=True)
class Memory:
    """Bytes on each GPU."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    hidden: float
    """Hidden states of the completions of this process, which the estimator reads; 0 for one that reads none."""
    generation: float
    """Keys and values of the completions that this process draws; with vLLM its share of the GPU, weights included, takes their place."""

    @property
    def training(self) -> float:
        """All but generation."""
        return sum(asdict(self).values()) - self.generation


def sharded(parameters: int, launch: Launch) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimiser states on each GPU."""
    weights, gradients, optimizer = _BF16 * parameters, _BF16 * parameters, _ADAM * parameters
    if launch.offloads:
        optimizer = 0
        weights = 0 if launch.stage == 3 else weights
    shared = [launch.processes if launch.stage >= stage else 1 for stage in (3, 2, 1)]
    return weights / shared[0], gradients / shared[1], optimizer / shared[2]


def activation_bytes(config: PretrainedConfig, tokens: int) -> int:
    """What a backward pass over `tokens` tokens holds with gradient checkpointing, where attention keeps no scores."""
    queries, keys = config.num_attention_heads * head_size(config), config.num_key_value_heads * head_size(config)
    inner = 4 * config.hidden_size + 3 * queries + 4 * keys + 4 * config.intermediate_size
    return _BF16 * tokens * (config.num_hidden_layers * config.hidden_size + inner)


def memory_of(run: TrainConfig, launch: Launch, gpu_bytes: float) -> Memory:
    """What `run` needs on each of the launch's GPUs, which hold `gpu_bytes`. Raises `Refused` for a model whose sizes are not known."""
    config = model_config(run.model)
    weights, gradients, optimizer = sharded(parameters_of(config), launch)
    length = _PROMPT_TOKENS + run.max_tokens
    rows = run.completions / launch.processes
    reads_hidden = run.chosen_estimator is not None and get_estimator(run.chosen_estimator).reads_hidden
    share = run.trl.get("vllm_gpu_memory_utilization", 0) if run.trl.get("use_vllm") else 0
    drawn = int(rows * run.chosen_oversampling * length)
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=activation_bytes(config, run.micro_batch * length),
        hidden=_FP32 * rows * length * config.hidden_size if reads_hidden else 0,
        generation=share * gpu_bytes if share else cache_bytes_per_token(config) * drawn,
    )


PAPER = (
    ("table_05.yaml", "qwen2.5-0.5b-dapo-hista", "zero3_4x24gb"),
    ("table_05.yaml", "qwen2.5-1.5b-dapo-hista", "zero3_4x24gb"),
    ("table_05.yaml", "qwen2.5-3b-dapo-hista", "zero2_8x80gb"),
    ("table_05.yaml", "qwen2.5-7b-dapo-hista", "zero3_2x8x80gb"),
    ("table_05.yaml", "qwen2.5-14b-dapo-hista", "zero3_2x8x80gb"),
    ("table_07.yaml", "r1-distill-1.5b-dapo-hista", "zero2_4x8x80gb"),
)
"""File, run and launch of the settings that Appendix G.2 names."""


def memory_table() -> pd.DataFrame:
    """GB on each GPU under the paper's settings, one row each."""
    rows = []
    for name, run, launch in PAPER:
        gpu = int(launch.rpartition("x")[2].removesuffix("gb"))
        memory = memory_of(read_config(name, {"run": run}), Launch.read(BUNDLED / "launch" / f"{launch}.yaml"), gpu * 1e9)
        sizes = {what: size / 1e9 for what, size in asdict(memory).items()}
        rows.append({"run": run, "launch": launch, **sizes, "all": (memory.training + memory.generation) / 1e9, "GPU": gpu})
    return pd.DataFrame(rows).set_index(["run", "launch"])


if __name__ == "__main__":
    print(memory_table().round(2).to_string())
