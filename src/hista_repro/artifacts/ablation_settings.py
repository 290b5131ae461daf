"""The settings of Hista that the paper varies (Tables 10 to 13), and what they become at the lengths of a build.

The paper's spacings are in tokens and suit answers of about a thousand tokens. On shorter ones they are scaled like the defaults, by
`Estimator.for_length`; phi is a whole number of tokens, so that short answers cannot tell small ones apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hista_repro.estimators import Estimator, get_estimator
from hista_repro.models.sizes import depth_of
from hista_repro.paper import paper_value
from hista_repro.sveb.benchmark import Benchmark

FORMS = {"hista": "as published", "hista-loo": "leave-one-out"}
"""The two forms in which every setting is measured -> in words."""

_INTERVAL, _SPACING = 5, 50
"""The paper's phi and delta in tokens (appendix E)."""
_ROW = "SVEB-Number"
"""The row of Tables 10, 11 and 13."""


@dataclass(frozen=True)
class Setting:
    """One cell of an ablation."""

    series: str
    value: str
    """What is varied: the value along the axis of a figure, of one line there (or "")."""
    here: str
    """What the setting becomes at the lengths measured here."""
    estimators: Mapping[str, Estimator]
    """Form -> estimator; empty where the setting cannot be had."""
    printed: float
    """The paper's error."""

    @property
    def name(self) -> str:
        return ", ".join(filter(None, (self.series, self.value)))

    def label(self, form: str) -> str:
        """What its scores are called."""
        return f"{form}: {self.name}"


def distance_settings(benchmark: Benchmark) -> list[Setting]:
    """Table 10."""
    distances = {
        "MinDistance": ("", "sum of the distances to the nearest vector"),
        "Cosine": ("-cosine", "the same with 1 − cosine as distance"),
        "Corresponding": ("-corresponding", "sum of the distances at the same position"),
    }
    settings = []
    for value, (kind, here) in distances.items():
        estimators = {form: get_estimator(form.replace("hista", f"hista{kind}")) for form in FORMS}
        estimators = {form: estimator.for_length(benchmark.typical_length) for form, estimator in estimators.items()}
        settings.append(Setting("", value, here, estimators, paper_value(10, _ROW, value)))
    return settings


def layer_settings(benchmark: Benchmark, layers: Sequence[int]) -> list[Setting]:
    """Table 11. Its l is read as counted from the last layer, since its value at l = 1 is that of the default, the last layer."""
    depth = depth_of(benchmark.config.model)
    settings = []
    for count in layers:
        there = count <= depth
        here = f"after layer {depth + 1 - count} of {depth}" if there else f"not run: the model has {depth} layers"
        estimators = _forms(benchmark, layer=-count) if there else {}
        settings.append(Setting("", f"l = {count}", here, estimators, paper_value(11, _ROW, f"l = {count}")))
    return settings


def smoothing_settings(benchmark: Benchmark, intervals: Sequence[int], alphas: Sequence[float]) -> list[Setting]:
    """Table 12: phi in the paper's tokens, and alpha, which is not scaled."""
    settings = []
    for interval in intervals:
        spacings = _spacings(benchmark, interval=interval)
        here = f"a row every {_tokens(spacings['interval'])}, a node every {_tokens(spacings['interval'] * spacings['stride'])}"
        for alpha in alphas:
            estimators, series, value = _forms(benchmark, alpha=alpha, **spacings), f"φ = {interval}", f"α = {alpha}"
            settings.append(Setting(series, value, here, estimators, paper_value(12, series, value)))
    return settings


def stride_settings(benchmark: Benchmark, strides: Sequence[int], neighbours: Sequence[int]) -> list[Setting]:
    """Table 13: delta in the paper's tokens, for several k, because the caption fixes k = 66 and the text k = 40."""
    settings = []
    for k in neighbours:
        for tokens in strides:
            spacings = _spacings(benchmark, spacing=tokens)
            here = f"a node every {_tokens(spacings['interval'] * spacings['stride'])}"
            estimators, value = _forms(benchmark, neighbours=k, **spacings), f"δ = {tokens}"
            settings.append(Setting(f"k = {k}", value, here, estimators, paper_value(13, _ROW, value)))
    return settings


def _forms(benchmark: Benchmark, **changed: float) -> dict[str, Estimator]:
    default = {form: get_estimator(form).for_length(benchmark.typical_length) for form in FORMS}
    return {form: get_estimator(form, **{"interval": e.interval, "stride": e.stride, **changed}) for form, e in default.items()}


def _spacings(benchmark: Benchmark, *, interval: int = _INTERVAL, spacing: int = _SPACING) -> dict[str, int]:
    """Tokens per row and rows per node here for the paper's phi and delta in tokens: both scaled as their defaults are."""
    default = get_estimator("hista").for_length(benchmark.typical_length)
    row = max(round(interval * default.interval / _INTERVAL), 1)
    node = spacing * default.interval * default.stride / _SPACING
    return {"interval": row, "stride": max(round(node / row), 1)}


def _tokens(count: int) -> str:
    return "token" if count == 1 else f"{count} tokens"
