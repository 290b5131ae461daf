"""How much of a rollout's own reward is in the values of its own states.

A value that is linear in the rewards is V(i, t) = sum_j w_j R_j. The own weight w_i is 0 in the siblings set, 1/G in the group mean and
t/T in the ramp; in the published forms of Hista and Numca it depends on the state, which is how the own outcome biases a policy gradient.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Positions
from hista_repro.progress import progress
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.benchmark import Benchmark

_TOLERANCE = 1e-4
"""Values are float32."""


def own_weights(estimator: Estimator, group: RolloutGroup, positions: Positions) -> list[Tensor]:
    """The weight of rollout i's reward in the value of each of its `positions`: G float32 tensors.

    It is the value that the state has when rollout i alone is rewarded, with 1: one call of the estimator for each rollout that is asked
    about. The first of them is asked twice more, to see whether its weight is the same when the others are rewarded too. Raises `Refused`
    where it is not, and for an estimator that learns, whose values depend on rewards outside the group.
    """
    if estimator.learns:
        raise Refused(f"{estimator.name} learns from other rewards, so a reward has no weight in its values; ask about one that does not")
    weights = [torch.zeros(0) for _ in positions]
    asked = [i for i, tokens in enumerate(positions) if len(tokens)]
    for i in asked:
        weights[i] = _own_values(estimator, group, positions, i, torch.eye(group.size)[i])
    if asked:
        _check_linear(estimator, group, positions, asked[0], weights[asked[0]])
    return weights


def own_weight_table(benchmark: Benchmark, estimators: Sequence[Estimator]) -> pd.DataFrame:
    """`own_weights` of every state of a build: state_id, problem_id, domain, fraction, estimator, weight.

    The spacing of the estimators is adapted to the typical length of a completion, as in `score`. Raises `Refused` for an independent
    pool, in which no state has an own reward.
    """
    if benchmark.independent_pool:
        raise Refused("states of an independent pool have no own reward to weigh; read the build with independent_pool=False")
    frames = []
    with progress(len(estimators) * len(benchmark), "weighing own rewards", unit="prompts") as bar:
        for estimator in (estimator.for_length(benchmark.typical_length) for estimator in estimators):
            for name, states in benchmark.states.items():
                states, group = states.sort_values("sample", kind="stable"), benchmark.groups[name]
                tokens = states.groupby("sample")["token_index"].agg(list).to_dict()
                weights = own_weights(estimator, group, [tokens.get(i, []) for i in range(group.size)])
                rows = states[["state_id", "problem_id", "domain", "fraction"]]
                frames.append(rows.assign(estimator=estimator.name, weight=torch.cat(weights).numpy()))
                bar.update(1)
    return pd.concat(frames, ignore_index=True)


def _own_values(estimator: Estimator, group: RolloutGroup, positions: Positions, i: int, rewards_G: Tensor) -> Tensor:
    """The values of the states of rollout i, were the rewards `rewards_G`."""
    only_i = [tokens if j == i else [] for j, tokens in enumerate(positions)]
    return estimator.values(replace(group, rewards_G=rewards_G.to(group.rewards_G)), only_i)[i]


def _check_linear(estimator: Estimator, group: RolloutGroup, positions: Positions, i: int, weights: Tensor) -> None:
    """`Refused` unless a reward of 1 for rollout i adds `weights`, whatever the others have got."""
    generator = torch.Generator().manual_seed(derive_seed(0, "own-weight", group.prompt_id))
    others_G = torch.rand(group.size, generator=generator)
    others_G[i] = 0
    without, with_own = (_own_values(estimator, group, positions, i, others_G + own * torch.eye(group.size)[i]) for own in (0, 1))
    if not torch.allclose(with_own - without, weights, atol=_TOLERANCE):
        raise Refused(f"the values of {estimator.name} are not linear in the rewards, so a reward has no weight in them; ask about others")
