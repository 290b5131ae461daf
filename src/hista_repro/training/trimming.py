"""Micro-batches without the columns that are padding in all of their rows.

TRL pads the completions of a generation step to the longest of all. A micro-batch seldom holds that one, and what only pads it costs as
much time and memory as tokens do.
"""

from typing import Any

from torch import Tensor

_OF_TOKENS = (
    *("completion_ids", "completion_mask", "tool_mask", "advantages"),
    *("old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps", "importance_sampling_ratio"),
)
"""What TRL's loss takes with a column for each token of the completion; some of it may have one column for all."""


def trimmed(inputs: dict[str, Any]) -> dict[str, Any]:
    """`inputs` of TRL's loss with only the columns of completions up to the last one that is in the loss of any row."""
    width = inputs["completion_ids"].shape[1]
    used_T = inputs["completion_mask"].any(dim=0).nonzero()
    kept = int(used_T[-1]) + 1 if len(used_T) else 1
    if kept == width:
        return inputs
    return {name: value[:, :kept] if _has_columns(name, value, width) else value for name, value in inputs.items()}


def _has_columns(name: str, value: Any, width: int) -> bool:
    return name in _OF_TOKENS and isinstance(value, Tensor) and value.ndim == 2 and value.shape[1] == width
