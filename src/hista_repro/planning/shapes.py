"""Shapes of language models, from which follow their arithmetic and their bytes per token."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused, did_you_mean
from hista_repro.models import BUNDLED, resolve_model
from hista_repro.yaml12 import load_yaml


@dataclass(frozen=True)
class ModelShape:
    """What of a decoder decides its cost."""

    parameters: int
    """All weights, embeddings included, tied ones once."""
    hidden: int
    layers: int
    kv_width: int
    """Of the keys, and of the values, of one layer: heads times their size."""
    vocabulary: int
    tied: bool
    """Whether the output layer is the transposed embedding."""

    def flops_per_token(self, context: float) -> float:
        """Floating-point operations to read or write one token after `context` others: a multiplication and an addition for each weight
        that is not an input embedding, and the attention to the others."""
        weights = self.parameters - (0 if self.tied else self.hidden * self.vocabulary)
        return 2 * weights + 4 * self.layers * self.hidden * context

    @property
    def weight_bytes(self) -> int:
        """In bfloat16."""
        return 2 * self.parameters

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values of all layers, in bfloat16."""
        return 2 * 2 * self.layers * self.kv_width

    @property
    def hidden_bytes_per_token(self) -> int:
        """The hidden state of one layer, in bfloat16."""
        return 2 * self.hidden


@cache
def shape_of(model: str) -> ModelShape:
    """The shape of one of the paper's models, or of a bundled or local one; nothing is downloaded.

    Raises `Refused` for any other, of which nothing is known before it is downloaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = _known()
    if model in known:
        config = AutoConfig.for_model(**known[model])
    elif model in BUNDLED or Path(model).expanduser().is_dir():
        config = AutoConfig.from_pretrained(resolve_model(model))
    else:
        raise Refused(f"no plan can be made for the model {model!r}, whose sizes are not known; {did_you_mean(model, known)}")
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return ModelShape(
        parameters=parameters,
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        kv_width=config.num_key_value_heads * head,
        vocabulary=config.vocab_size,
        tied=config.tie_word_embeddings,
    )


def _known() -> dict[str, dict[str, Any]]:
    return load_yaml((files("hista_repro") / "training" / "configs" / "models.yaml").read_text(encoding="utf-8"))
