"""Planning past the machines at hand: one pass of training over many prompts, and what of it is stored, moved, and held in one place."""

from dataclasses import dataclass

from hista_repro.planning.costs import BYTES_PER_STORED_TOKEN, GRADIENT_PASSES, Assumptions
from hista_repro.planning.shapes import ModelShape

PASSES = 1 + GRADIENT_PASSES
"""Over every completion: log-probabilities and hidden states in one forward pass, then the gradient."""


@dataclass(frozen=True)
class Training:
    """One epoch: G rollouts of each prompt, each as long as it may be, with Hista's nodes."""

    shape: ModelShape
    prompts: int
    rollouts: int
    longest: int
    interval: int = 5
    """Tokens between smoothed hidden states ("d = 5", App. E)."""
    prompts_per_step: int = 128
    stride: int = 10
    """Smoothed states between nodes ("stride", App. E)."""

    @property
    def tokens(self) -> int:
        return self.prompts * self.rollouts * self.longest

    @property
    def nodes(self) -> int:
        return self.tokens // (self.interval * self.stride)

    def sampling_hours(self, assumed: Assumptions) -> float:
        return assumed.sampling_hours(self.shape, self.tokens, self.longest / 2)

    def learning_hours(self, assumed: Assumptions) -> float:
        return assumed.reading_hours(self.shape, self.tokens, self.longest / 2, PASSES)

    def hista_hours(self, assumed: Assumptions) -> float:
        """Distances between all smoothed states of a group: a product of two (rows, D) matrices for each prompt."""
        rows = self.rollouts * self.longest // self.interval
        return self.prompts * 2 * rows**2 * self.shape.hidden / (assumed.peak_flops * assumed.training_utilisation) / 3600

    def continuation_hours(self, assumed: Assumptions, each: int) -> float:
        """GPU-hours of `each` continuations of every node, which write half of a completion on average."""
        tokens = self.nodes * each * self.longest / 2
        return assumed.sampling_hours(self.shape, tokens, self.longest / 2)

    @property
    def token_bytes(self) -> int:
        """What crosses the network for each completion: ids, offsets and text."""
        return self.tokens * BYTES_PER_STORED_TOKEN

    @property
    def hidden_bytes(self) -> int:
        """The hidden states of one layer at every token."""
        return self.tokens * self.shape.hidden_bytes_per_token

    @property
    def smoothed_bytes(self) -> int:
        """Those of Hista's smoothed states alone."""
        return self.hidden_bytes // self.interval

    @property
    def smoothed_bytes_per_step(self) -> int:
        """Of the prompts of one step, after which they are not needed."""
        return self.smoothed_bytes * self.prompts_per_step // self.prompts

    def network_hours(self, assumed: Assumptions, amount: float) -> float:
        """Hours to move `amount` bytes over one link."""
        return amount / assumed.network_bytes_per_second / 3600
