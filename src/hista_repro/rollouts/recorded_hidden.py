"""Hidden states of a model at work, caught on their way through whatever wraps it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from hista_repro.errors import Refused

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def decoder_of(model: "PreTrainedModel") -> nn.Module:
    """The body of `model`, whose output the head turns into logits; raises `Refused` where the model shows none."""
    get_decoder = getattr(model, "get_decoder", None)
    decoder = get_decoder() if get_decoder is not None else None
    if decoder is None or decoder is model:
        raise Refused(
            f"{type(model).__name__} shows no decoder, so its hidden states cannot be had; "
            "choose an estimator that reads none, such as loo-mean or numca-loo"
        )
    return decoder


@contextmanager
def recorded_hidden(model: "PreTrainedModel", layer: int = -1, *, gradient: bool = False) -> Iterator[list[Tensor]]:
    """A list to which every forward pass of `model` adds the hidden states (B, T, D) of `layer`, without their gradient unless told.

    Layers are counted as in `HiddenStates`. The pass may go through a wrapper of the model (DDP, FSDP, DeepSpeed); for layers other than
    the last it has to be asked for with output_hidden_states=True.
    """
    found: list[Tensor] = []

    def keep(module: nn.Module, arguments: Any, output: Any) -> None:
        hidden_B_T_D = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
        found.append(hidden_B_T_D if gradient else hidden_B_T_D.detach())

    handle = decoder_of(model).register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()
