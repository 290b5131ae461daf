"""The paper's notation (Table 17) beside what holds the same thing here, and how large that is for a real group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hista_repro.artifacts.kept_tables import kept_scores
from hista_repro.artifacts.pipeline import Pipeline, run_pipeline
from hista_repro.artifacts.tables import Captioned
from hista_repro.estimators import get_estimator
from hista_repro.estimators.milestones import milestones
from hista_repro.estimators.numca import numca_values
from hista_repro.models.sizes import depth_of
from hista_repro.paper import paper_notation
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

_BLOCKS = {"SVEB": "The benchmark", "Numca": "Numca", "Hista": "Hista", "Proof": "The proofs"}

OURS = {
    r"\mathcal{D}_s": ("states", "sveb.benchmark.Benchmark.states"),
    "s_t^{(j)}": ("state (i, t)", "rollouts.group.RolloutGroup.prefix"),
    "N": ("rows of states", "sveb.benchmark.Benchmark.states"),
    "n": ("references", "sveb.config.BuildConfig.references"),
    "r(s_T^{(i)})": ("rewards", "sveb.benchmark.Benchmark.states"),
    r"\hat{V}(s_t)": ("reference", "sveb.score.score"),
    r"f(s_t, \theta)": ("an estimator and a group", "estimators.base.Estimator.values"),
    r"\hat{V}{}_{f,\theta}(s_t)": ("estimate", "sveb.score.score"),
    r"\mathrm{MAE}(f, \mathcal{D}_s)": ("mae", "sveb.statistics.mae"),
    r"\mathcal{P}": ("one expression", "estimators.milestones.milestones"),
    "m": ("Milestone", "estimators.milestones.Milestone"),
    r"\mathbb{M}": ("path", "estimators.abstract_states.path"),
    "s_t^M": ("an abstract state", "estimators.abstract_states.extend"),
    "a_t^M": ("offsets", "estimators.numca.numca_values"),
    r"\mathcal{D}_r": ("a group", "rollouts.group.RolloutGroup"),
    r"\tau": ("a completion", "rollouts.group.RolloutGroup.completions"),
    r"\mathcal{T}": ("VisitTable", "estimators.abstract_states.VisitTable"),
    "V(s^M)": ("value", "estimators.numca.numca_values"),
    r"\mathbf{x}": ("a row of hidden_T_D", "rollouts.group.HiddenStates.completions"),
    r"\mathbf{X}": ("hidden_T_D", "rollouts.group.HiddenStates.completions"),
    r"\eta": ("T", "rollouts.group.RolloutGroup.length"),
    r"\mathrm{MD}(\mathbf{X}_1, \mathbf{X}_2)": ("distances_M_M", "estimators.distances.min_distance"),
    "R_i": ("rewards_G", "rollouts.group.RolloutGroup.rewards_G"),
    "P(R_1 = R_2)": ("alike", "artifacts.theory.alike_by_distance"),
    "L": ("layer", "estimators.hista.Hista.layer"),
    r"\mathcal{N}": ("M", "estimators.nodes.node_ends"),
    r"\hat{V}{}_{\mathrm{avg}}": ("group-mean", "estimators.group_mean.GroupMean"),
    r"\hat{V}{}_{\mathrm{PW}}": ("values_N", "estimators.hista.hista_values"),
    "P_{t,i}": ("weights_Q_M", "estimators.neighbours.inverse_distance_weights"),
    r"\alpha": ("alpha", "estimators.hista.Hista.alpha"),
    r"\varphi": ("interval", "estimators.node_kernel.NodeKernel.interval"),
    r"\mathbf{E}_\tau": ("rows_R_D", "estimators.smoothing.smooth"),
    r"\delta": ("interval * stride", "estimators.node_kernel.NodeKernel.stride"),
    r"s_{\tau,i}^H": ("i * stride rows", "estimators.nodes.node_ends"),
    "k": ("neighbours", "estimators.node_kernel.NodeKernel.neighbours"),
    r"\omega_i": ("weights_Q_M", "estimators.neighbours.inverse_distance_weights"),
}
"""Symbol -> our name, and what holds it, below `hista_repro`. The symbols of the proofs are used nowhere."""


@dataclass(frozen=True)
class Held:
    """What stands behind the symbols, for one build."""

    pipeline: Pipeline
    """The stages of Hista for one rollout of `group`."""
    group: RolloutGroup
    states: pd.DataFrame
    """All states of the build, with the rewards of their continuations."""
    scores: pd.DataFrame
    """What Hista says of them, beside their references."""
    alpha: float
    layers: int

    @property
    def shapes(self) -> dict[str, str]:
        """Symbol -> the shape of what holds it, or how many there are: milestones and abstract states in the rollout, else in the group."""
        n, pipeline = self.pipeline.counts, self.pipeline
        text = self.group.completions[pipeline.rollout]
        rollouts = numca_values(self.group.completions, self.group.rewards_G)
        continuations = " or ".join(map(str, sorted(self.states["n"].unique())))
        last = pipeline.nodes[pipeline.rollout][-1]
        return {
            r"\mathcal{D}_s": f"P = {self.states['problem_id'].nunique()}",
            "N": f"{len(self.states)}",
            "n": continuations,
            "r(s_T^{(i)})": f"{len(self.states)} × {continuations}",
            r"\hat{V}(s_t)": f"{len(self.scores)}",
            r"\hat{V}{}_{f,\theta}(s_t)": f"{len(self.scores)}",
            "m": f"{len(milestones(text))}",
            "s_t^M": f"{len(rollouts[pipeline.rollout])}",
            r"\mathcal{D}_r": f"G = {n['G']}",
            r"\tau": f"T = {n['T']}",
            "V(s^M)": f"{sum(map(len, rollouts))}",
            r"\mathbf{x}": f"D = {n['D']}",
            r"\mathbf{X}": f"{n['T']} × {n['D']}",
            r"\eta": f"{n['T']}",
            r"\mathrm{MD}(\mathbf{X}_1, \mathbf{X}_2)": f"{n['M']} × {n['M']}",
            "R_i": f"{n['G']}",
            "L": f"{self.layers}",
            r"\mathcal{N}": f"{n['M']}",
            r"\hat{V}{}_{\mathrm{PW}}": f"{n['N']}",
            "P_{t,i}": f"{n['M']} × {n['M']}",
            r"\alpha": f"{self.alpha}",
            r"\varphi": f"{pipeline.interval}",
            r"\mathbf{E}_\tau": f"{n['R']} × {n['D']}",
            r"\delta": f"{pipeline.interval * pipeline.stride}",
            r"s_{\tau,i}^H": f"{last} × {n['D']}",
            "k": f"{pipeline.neighbours}",
            r"\omega_i": f"K = {n['K']}",
        }


def hold(build: Mapping[str, Any]) -> Held:
    """What stands behind the symbols for a build, which is made if need be; raises `Refused` as `run_pipeline` does."""
    benchmark, pipeline = Benchmark(record(build)), run_pipeline(build)
    return Held(
        pipeline=pipeline,
        group=benchmark.groups[pipeline.problem],
        states=pd.concat(benchmark.states.values(), ignore_index=True),
        scores=kept_scores(benchmark, {"hista": get_estimator("hista")}),
        alpha=get_estimator("hista").alpha,
        layers=depth_of(benchmark.config.model),
    )


def readable_notation(held: Held, block: str) -> Captioned:
    """The symbols of a block of the table, with what they mean and, but for the proofs, what holds them here."""
    printed = paper_notation()
    printed = printed.loc[printed["block"] == block, ["symbol", "meaning", "domain"]]
    if block != "Proof":
        names, holders = zip(*(OURS[symbol] for symbol in printed["symbol"]), strict=True)
        sizes = [held.shapes.get(symbol, "–") for symbol in printed["symbol"]]
        printed = printed.drop(columns="domain").assign(**{"here": names, "held by": holders, "size": sizes})
    return Captioned(printed, f"{_BLOCKS[block]}: the paper's symbols.", formulas=("symbol",))
