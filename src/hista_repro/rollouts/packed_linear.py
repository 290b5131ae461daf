"""Linear layers whose weights are laid out once as a CPU's matrix units want them.

PyTorch lays out bfloat16 weights again for every product, which for the few rows of a sampling step takes as long as the product. What
comes out is the same, bit for bit; `make bench` times both.
"""

import torch
from torch import Tensor, nn


class PackedLinear(nn.Linear):
    """Made of an `nn.Linear` by `pack`; its `weight` is gone where nothing else needed it."""

    packed: Tensor

    def forward(self, input: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(input, self.packed, self.bias, "none", [], "")


def can_pack(model: nn.Module) -> bool:
    """Whether `model` is one in bfloat16 on a CPU, for which PyTorch was built with oneDNN."""
    first = next(model.parameters())
    has_operators = all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise"))
    return first.device.type == "cpu" and first.dtype == torch.bfloat16 and torch.backends.mkldnn.is_available() and has_operators


@torch.no_grad()
def pack(model: nn.Module) -> None:
    """Pack the linear layers of `model`, which only reads and writes text from then on: it cannot be saved or trained."""
    uses: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    for module in model.modules():
        if type(module) is nn.Linear:
            module.packed = torch.ops.mkldnn._reorder_linear_weight(module.weight)
            module.__class__ = PackedLinear
            if uses[id(module.weight)] == 1:  # embeddings may share it
                module.weight.data = module.weight.data.new_empty(0)
