"""Any estimator on hidden states that are centred, standardised or whitened first.

Hidden states of language models share a large mean and vary most along a few directions (Ethayarajh, 2019, arXiv 1909.00512; Timkey and
van Schijndel, 2021, arXiv 2109.04404), which may drown what tells two states apart. Mean m and covariance are those of the completion
tokens of other prompts, on which the transformation is fitted: "centred" takes h - m, which changes angles and no distance;
"standardised" divides each dimension by its standard deviation as well; "whitened" does so along the principal axes, so that all
directions weigh alike (Su et al., 2021, arXiv 2103.15316). Information set: that of the estimator within, since nothing of the prompt
that is asked about enters the transformation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from hista_repro.estimators.base import Estimator, Information, Positions
from hista_repro.rollouts.group import HiddenStates, RolloutGroup

Kind = Literal["centred", "standardised", "whitened"]

_LEAST_VARIANCE = 1e-3
"""Directions that vary less than this share of the median of those that vary count as if they varied so much: their scale is noise."""


@dataclass(frozen=True)
class Transformation:
    """h -> (h - mean) scale, in float32."""

    mean_D: Tensor
    scale_D_D: Tensor

    @classmethod
    def fit(cls, kind: Kind, states: Iterable[Tensor]) -> Self:
        """From tensors (n, D) of hidden states; raises `ValueError` where there are fewer than two states in all."""
        count, sum_D, products_D_D = 0, torch.zeros(1), torch.zeros(1)
        for part_n_D in states:
            rows_n_D = part_n_D.double().cpu()
            count += len(rows_n_D)
            sum_D, products_D_D = sum_D + rows_n_D.sum(dim=0), products_D_D + rows_n_D.T @ rows_n_D
        if count < 2:
            raise ValueError(f"the groups hold {count} completion tokens, and a transformation is fitted on two or more")
        mean_D = sum_D / count
        covariance_D_D = (products_D_D - count * mean_D.outer(mean_D)) / (count - 1)
        return cls(mean_D.float(), _scale(kind, covariance_D_D).float())

    def __call__(self, hidden: HiddenStates) -> HiddenStates:
        return HiddenStates(self._of(hidden.prompt_T_D), tuple(map(self._of, hidden.completions)))

    def _of(self, hidden_T_D: Tensor) -> Tensor:
        return (hidden_T_D.float() - self.mean_D.to(hidden_T_D.device)) @ self.scale_D_D.to(hidden_T_D.device)


def _scale(kind: Kind, covariance_D_D: Tensor) -> Tensor:
    if kind == "centred":
        return torch.eye(len(covariance_D_D), dtype=covariance_D_D.dtype)
    variance_D, axes_D_D = torch.linalg.eigh(covariance_D_D if kind == "whitened" else covariance_D_D.diag().diag())
    rounding = len(variance_D) * torch.finfo(variance_D.dtype).eps * variance_D.max()  # fewer states than dimensions leave such directions
    varying = variance_D[variance_D > rounding]
    least = (_LEAST_VARIANCE * (varying if len(varying) else variance_D).median()).clamp_min(torch.finfo(torch.float32).tiny)
    return axes_D_D / variance_D.clamp_min(least).sqrt() @ axes_D_D.T


@dataclass(frozen=True)
class Transformed(Estimator):
    """`inner`, which reads one layer and learns nothing itself, on transformed hidden states of that layer."""

    reads_hidden = True

    inner: Estimator
    kind: Kind
    fitted: Transformation | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        if not self.inner.reads_hidden or self.inner.learns or not hasattr(self.inner, "layer"):
            raise ValueError(f"inner must read the hidden states of one layer and learn nothing, which {self.inner.name} does not")

    @property
    def name(self) -> str:
        return f"{self.inner.name}, {self.kind}"

    @property
    def information(self) -> Information:
        return self.inner.information

    @property
    def learns(self) -> bool:
        return self.fitted is None

    def for_length(self, tokens: int) -> Self:
        return replace(self, inner=self.inner.for_length(tokens))

    def for_model(self, name: str) -> Self:
        return replace(self, inner=self.inner.for_model(name))

    def fit(self, groups: Sequence[RolloutGroup]) -> Self:
        states = (hidden_T_D for group in groups for hidden_T_D in group.hidden(self.inner.layer).completions)
        return self.with_transformation(Transformation.fit(self.kind, states))

    def with_transformation(self, fitted: Transformation) -> Self:
        """With a transformation of `kind` that another has fitted on the same layer."""
        return replace(self, fitted=fitted)

    def values(self, group: RolloutGroup, positions: Positions) -> list[Tensor]:
        if self.fitted is None:
            raise ValueError(f"{self.name} is not fitted; call fit with groups of other prompts first")
        transform, layer = self.fitted, self.inner.layer
        hidden = transform(group.hidden(layer))
        return self.inner.values(replace(group, hidden_of={layer: hidden}.__getitem__), positions)
