"""Shapes of language models, from which follow their arithmetic and their bytes per token."""

from dataclasses import dataclass
from functools import cache

from hista_repro.models.sizes import cache_bytes_per_token, model_config, parameters_of


@dataclass(frozen=True)
class ModelShape:
    """What of a decoder decides its cost."""

    parameters: int
    """All weights, embeddings included, tied ones once."""
    hidden: int
    layers: int
    cache_bytes_per_token: int
    """Keys and values of all layers, in bfloat16."""
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
    def hidden_bytes_per_token(self) -> int:
        """The hidden state of one layer, in bfloat16."""
        return 2 * self.hidden


@cache
def shape_of(model: str) -> ModelShape:
    """The shape of a model; raises as `model_config` does."""
    config = model_config(model)
    return ModelShape(
        parameters=parameters_of(config),
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        cache_bytes_per_token=cache_bytes_per_token(config),
        vocabulary=config.vocab_size,
        tied=config.tie_word_embeddings,
    )
