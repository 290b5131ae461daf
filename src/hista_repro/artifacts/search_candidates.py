"""What a search for the best settings tries: families of unbiased estimators, their settings, and what is done to hidden states first."""

from dataclasses import replace

from hista_repro.estimators import Estimator, get_estimator
from hista_repro.estimators.transformed import Kind, Transformed

TRANSFORMED: dict[str, tuple[Kind, ...]] = {
    "hista-loo": ("standardised", "whitened"),
    "hista-cosine-loo": ("centred", "standardised", "whitened"),
    "last-token-knn-loo": ("standardised", "whitened"),
    "rollout-kernel-loo": ("standardised", "whitened"),
}
"""Families that read hidden states -> what else than the hidden states as they are is compared. Distances do not see a centre."""
FAMILIES = (*TRANSFORMED, "numca-loo", "prefix-tree-loo")
"""The estimators whose settings are searched."""
_SEARCHED = ("centred", "whitened")
"""The transformations that are candidates; what standardising does is confirmed for the settings as they come."""


def candidates(length: int, depth: int) -> dict[tuple[str, str], Estimator]:
    """(family, settings in words) -> estimator, for completions of typically `length` tokens of a model with `depth` layers."""
    base = {family: get_estimator(family).for_length(length) for family in FAMILIES}
    interval, stride, spacing = base["hista-loo"].interval, base["hista-loo"].stride, base["last-token-knn-loo"].spacing
    plain: dict[tuple[str, str], Estimator] = {}
    for times in (1, 4) if stride > 1 else (1,):
        rows, tokens = max(round(stride / times), 1), max(round(spacing / times), 1)
        for k in (8, 16, 66):
            plain["hista-loo", f"k = {k}, {_nodes(rows * interval)}"] = replace(base["hista-loo"], neighbours=k, stride=rows)
        for k in (16, 66):
            plain["hista-cosine-loo", f"k = {k}, {_nodes(rows * interval)}"] = replace(base["hista-cosine-loo"], neighbours=k, stride=rows)
        for temperature in (0.125, 0.25, 0.5, 1.0):
            changed = replace(base["rollout-kernel-loo"], temperature=temperature, stride=rows)
            plain["rollout-kernel-loo", f"τ = {temperature:g}, {_nodes(rows * interval)}"] = changed
        for layer, name in ((-1, "last"), (max(depth // 2, 1), "middle")):
            changed = replace(base["last-token-knn-loo"], layer=layer, spacing=tokens)
            plain["last-token-knn-loo", f"k = 66, {name} layer, {_nodes(tokens)}"] = changed
    for kappa in (0.0, 0.5, 1.0, 2.0, 4.0):
        for family in ("numca-loo", "prefix-tree-loo"):
            plain[family, f"κ = {kappa:g}"] = replace(base[family], kappa=kappa)
    transformed = {
        (family, f"{settings}, {kind}"): Transformed(estimator, kind)
        for (family, settings), estimator in plain.items()
        for kind in TRANSFORMED.get(family, ())
        if kind in _SEARCHED
    }
    return plain | transformed


def _nodes(tokens: int) -> str:
    return "a node for each token" if tokens == 1 else f"a node every {tokens} tokens"
