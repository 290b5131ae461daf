"""Attention to a prefix that all rows of a batch share: its keys and values are held, and read, once for the batch.

Worked examples, or the prompt of a group, make most of what is read at every step; repeated for each row they fill memory and starve a
CPU, and one matrix product over the single copy does the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.masking_utils import sdpa_mask

from hista_repro.rollouts.roomy_cache import RoomyCache

_NAME = "hista_repro_shared_prefix"
_prefix: ContextVar[DynamicCache] = ContextVar("prefix")


class SharedPrefixCache(RoomyCache):
    """What each row has read after a prefix whose cache, of batch size one, is `prefix`. Counts the prefix in its lengths."""

    def __init__(self, prefix: DynamicCache) -> None:
        super().__init__()
        self.shared = prefix.get_seq_length()

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.shared + super().get_seq_length(layer_idx)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        length, offset = super().get_mask_sizes(query_length, layer_idx)
        return self.shared + length, offset


def can_share(model: PreTrainedModel) -> bool:
    """Whether every layer of `model` attends to everything before it, through transformers' attention interface."""
    config = model.config.get_text_config(decoder=True)
    layer_types = getattr(config, "layer_types", None) or ["full_attention"]
    return model._supports_sdpa and set(layer_types) == {"full_attention"} and getattr(config, "sliding_window", None) is None


@contextmanager
def shared_prefix(model: PreTrainedModel, prefix: DynamicCache) -> Iterator[None]:
    """Let `model` attend to `prefix` before what its own cache, a `SharedPrefixCache`, holds."""
    before = model.config._attn_implementation
    token = _prefix.set(prefix)
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        _prefix.reset(token)


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of `query` (B, H, Q, D) to the prefix and to `key`, `value` (B, J, S, D), where each of J heads serves H / J queries."""
    prefix = _prefix.get().layers[module.layer_idx]
    prefix_key_J_P_D, prefix_value_J_P_D = prefix.keys[0], prefix.values[0]
    batch, heads, steps, width = query.shape
    served = key.shape[1]
    length = prefix_key_J_P_D.shape[1]
    query = query.reshape(batch, served, heads // served * steps, width) * scaling
    flat = query.transpose(0, 1).reshape(served, -1, width)

    to_prefix = (flat @ prefix_key_J_P_D.transpose(1, 2)).view(served, batch, -1, length).transpose(0, 1)
    to_rest = (query @ key.transpose(2, 3)).view(batch, served, -1, steps, key.shape[2])
    to_rest = to_rest.masked_fill(~attention_mask[:, :, None, :, length:], float("-inf")).flatten(2, 3)
    weights = torch.cat([to_prefix, to_rest], dim=-1).softmax(dim=-1, dtype=torch.float32).to(query.dtype)

    on_prefix = weights[..., :length].transpose(0, 1).reshape(served, -1, length)
    from_prefix = (on_prefix @ prefix_value_J_P_D).view(served, batch, -1, width).transpose(0, 1)
    output = from_prefix + weights[..., length:] @ value
    return output.reshape(batch, heads, steps, width).transpose(1, 2), None


def _mask(*arguments: Any, **options: Any) -> Tensor:
    return sdpa_mask(*arguments, **{**options, "allow_is_causal_skip": False})


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, _mask)
