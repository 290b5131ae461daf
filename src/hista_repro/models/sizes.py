"""Sizes of models: read from a file or a folder, so that nothing is downloaded and no weight is held."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from hista_repro.errors import Refused, did_you_mean
from hista_repro.models import BUNDLED, is_gguf, resolve_model
from hista_repro.models.gguf_files import config_options
from hista_repro.yaml12 import load_yaml

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def model_config(name: str) -> "PretrainedConfig":
    """The sizes of one of the paper's models, or of a bundled or local one; no weights are unpacked.

    Raises `Refused` for any other, of which nothing is known before it is downloaded.
    """
    from transformers import AutoConfig

    known = load_yaml((files("hista_repro.models") / "sizes.yaml").read_text(encoding="utf-8"))
    if name in known:
        return AutoConfig.for_model(**known[name])
    if name in BUNDLED or Path(name).expanduser().is_dir():
        return AutoConfig.from_pretrained(resolve_model(name))
    if is_gguf(name):
        return AutoConfig.from_pretrained(**config_options(Path(name).expanduser()))
    raise Refused(f"no plan can be made for the model {name!r}, whose sizes are not known; {did_you_mean(name, known)}")


def depth_of(name: str) -> int:
    """The number of layers of the model called `name` (see `resolve_model`)."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(resolve_model(name)).num_hidden_layers


def parameters_of(config: "PretrainedConfig") -> int:
    """All weights, embeddings included, tied ones once, counted on a model that holds none."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


def cache_bytes_per_token(config: "PretrainedConfig") -> int:
    """Keys and values of all layers, in bfloat16."""
    return 2 * 2 * config.num_hidden_layers * config.num_key_value_heads * head_size(config)


def head_size(config: "PretrainedConfig") -> int:
    """Width of one attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
