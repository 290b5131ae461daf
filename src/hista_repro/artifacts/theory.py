"""The paper's Theorems 5.2 and 5.5 on real rollouts: how far their statements hold, and how often the assumptions do.

Theorem 5.2: P(R_1 = R_2), the probability that two states end in the same reward, is proportional to 1 / MinDistance. Two rollouts of a
prompt are independent continuations of any state of the one and any state of the other, so whether they end alike is a draw of it.

Theorem 5.5: with X = V(s_I) - V(s_t) for a random other state s_I and its weight W, Assumption B.2 asks for (7) E[X] Cov(W, X) <= 0 and
(8) |Cov(W, X)| <= 2 E[W] |E[X]|. Then the bias of the weighted mean, E[X] + Cov(W, X) / E[W], is no larger than that of the plain one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.measurements import REPEATS
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, judge_direction
from hista_repro.estimators import get_estimator
from hista_repro.estimators.nodes import Prefixes, node_ends
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import Array, percentile_interval, resampled_prompts

BINS = 10
PAIRS = {"any": "any two nodes", "as long": "two nodes of the same length"}
WEIGHTS = {"distance": "1 / MinDistance", "probability": "P(R_i = R_t)"}
"""Weights of Theorem 5.5: those that Hista has, and those that the theorem is about."""
CONDITIONS = {"seven": "(7)", "eight": "(8)", "both": "both", "no_larger": "bias no larger"}
NEARLY_ALWAYS = 0.95
"""An assumption that holds in a larger share of the states counts as holding."""
MARGIN = 0.25
"""An exponent b within this of -1 counts as that of a proportionality to 1 / MinDistance."""
FOLDS = 20
"""Parts of the continuations that take turns in giving the values of a bias, while the others give its sign."""
_SAME_TEXT = 1e-4
"""Share of the largest distance up to which a distance is a rounding error of zero."""


def alike_by_distance(benchmark: Benchmark, pairs: str) -> pd.DataFrame:
    """Pairs of nodes of different rollouts by tenths of their MinDistance within each prompt, nearest first; one row per problem and tenth.

    problem_id, bin (0 to 9), distance (mean), alike (the share that end in the same reward) and same_text (the share with the same text,
    which are at distance zero); `parted_distance` and `parted_alike` are those of the tenths of the pairs with different texts alone,
    and NaN where a prompt has too few. `pairs` is a key of `PAIRS`; pairs that are as long as each other are ranked among those of their
    length. Where there are fewer than `BINS` pairs of a prompt (and length), these are left out.
    """
    frames = []
    for name, group in benchmark.groups.items():
        table = _pairs(group, benchmark.typical_length)
        strata = ["rows"] if pairs == "as long" else []
        if strata:
            table = table[table["rows"] == table["other_rows"]]
        every, parted = _tenths(table, strata), _tenths(table[table["distance"] > 0], strata)
        if len(every):
            parted = parted.drop(columns="same_text").add_prefix("parted_")
            frames.append(every.join(parted).rename_axis("bin").reset_index().assign(problem_id=name))
    return pd.concat(frames, ignore_index=True)


def _pairs(group: RolloutGroup, typical_length: int) -> pd.DataFrame:
    """One row for every pair of nodes of different rollouts: rows and other_rows (their lengths), distance (MinDistance, zero for the
    same text), alike (whether the rollouts ended in the same reward) and same_text.
    """
    hista = get_estimator("hista").for_length(typical_length)
    nodes = node_ends([group.length(i) // hista.interval for i in range(group.size)], hista.stride)
    of = Prefixes.of(nodes, group.rewards_G.device)
    owner_M, rows_M = of.owner_S.numpy(), of.rows_S.numpy()
    one_P, other_P = np.nonzero(owner_M[:, None] < owner_M)
    distances_P = hista.distances(group, nodes, nodes).double().numpy()[one_P, other_P]
    same_text_P = distances_P <= _SAME_TEXT * np.max(distances_P, initial=0)
    rewards_M = group.rewards_G[of.owner_S].numpy()
    columns = {
        "rows": rows_M[one_P],
        "other_rows": rows_M[other_P],
        "distance": np.where(same_text_P, 0, distances_P),
        "alike": (rewards_M[one_P] == rewards_M[other_P]).astype(float),
        "same_text": same_text_P.astype(float),
    }
    return pd.DataFrame(columns)


def _tenths(table: pd.DataFrame, strata: list[str]) -> pd.DataFrame:
    """Mean distance, alike and same_text of `_pairs` by tenth of their distance among the pairs of the same `strata`."""
    if strata:
        sizes, ranks = table.groupby(strata)["distance"].transform("size"), table.groupby(strata)["distance"].rank(method="first")
    else:
        sizes, ranks = pd.Series(len(table), index=table.index), table["distance"].rank(method="first")
    bins = (ranks - 1) * BINS // sizes
    enough = sizes >= BINS
    return table[enough].groupby(bins[enough].astype(int))[["distance", "alike", "same_text"]].mean()


def correlation(table: pd.DataFrame) -> dict[str, Interval]:
    """Of an `alike_by_distance` table, over prompts: `near` and `far`, the shares that end alike in the nearest and the farthest tenth;
    `difference`, the first minus the second; `same_text`, the share of pairs with the same text; and `exponent`, the b of P = a MD^b that
    goes through the nearest and the farthest tenth of the pairs with different texts, since 1 / MD is infinite for the others.
    """
    values = ["alike", "parted_alike", "parted_distance"]
    ends = table[table["bin"].isin([0, BINS - 1])].pivot(index="problem_id", columns="bin", values=values)
    sums = np.column_stack([ends.fillna(0).to_numpy(), table.groupby("problem_id")["same_text"].mean()])
    near_R, far_R, parted_near_R, parted_far_R, distance_near_R, distance_far_R, same_R = (_resampled(len(ends)) @ sums / len(ends)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent_R = np.log(parted_near_R / parted_far_R) / np.log(distance_near_R / distance_far_R)
    draws = {"near": near_R, "far": far_R, "difference": near_R - far_R, "same_text": same_R, "exponent": exponent_R}
    return {name: _interval(values, len(ends)) for name, values in draws.items()}


def conditions(benchmark: Benchmark, weights: str, continuations: int | None = None) -> pd.DataFrame:
    """One row for each state of a build: problem_id, whether (7) and (8) hold (`seven`, `eight`, `both`), whether the weighted mean has
    no larger bias (`no_larger`), `gain` (bias of the plain mean minus bias of the weighted one), and `between`, whether the state's value
    lies between 1/2 and the mean of the others. Candidates are the other states of the problem, values are the references; `weights` is
    a key of `WEIGHTS`. There is no row for a problem with fewer than three states, and for a state all of whose weights are zero.

    Noise of the references makes biases seem larger than they are, those of the two means by different amounts. So `gain` takes the sign of
    a bias, and weights that are made of values, from all continuations but one part, and values from that part alone; it is the mean over
    `FOLDS` parts, or as many as there are continuations. The other columns take all from all continuations: noise makes all but `eight`
    hold too often where weights are made of values, and too seldom where they are distances. With fewer `continuations` of each state, the
    first so many, it shows how much that is.
    """
    rows = []
    for name, states in benchmark.states.items():
        if len(states) < 3:
            continue
        inverse_S_S = _inverse_distances(benchmark, name, states) if weights == "distance" else None
        rewards_S_N = np.stack(states["rewards"].to_list()).astype(np.float64)[:, :continuations]
        values_S, folds = rewards_S_N.mean(axis=1), _folds(rewards_S_N)
        gains_S = np.mean([_gains(known_S, other_S, _weights(known_S, inverse_S_S)) for known_S, other_S in folds], axis=0)
        found = _of_states(values_S, _weights(values_S, inverse_S_S))
        rows += [{"problem_id": name, **row, "gain": gains_S[t]} for t, row in found]
    return pd.DataFrame(rows)


def _folds(rewards_S_N: Array) -> Iterator[tuple[Array, Array]]:
    """(mean over all continuations but one part, mean over that part), for each part."""
    part_N = np.arange(rewards_S_N.shape[1]) % FOLDS
    for part in np.unique(part_N):
        yield rewards_S_N[:, part_N != part].mean(axis=1), rewards_S_N[:, part_N == part].mean(axis=1)


def others_text(benchmark: Benchmark) -> str:
    """From how many other states of its problem a state is valued in `conditions`: `4`, or `2 to 4`."""
    others = [len(states) - 1 for states in benchmark.states.values() if len(states) > 2]
    return f"{min(others)} to {max(others)}" if len(set(others)) > 1 else str(others[0])


def _weights(values_S: Array, inverse_S_S: Array | None) -> Array:
    """(S, S): inverse distances where they are given, otherwise P(R_i = R_t) of states with these values."""
    return inverse_S_S if inverse_S_S is not None else np.outer(values_S, values_S) + np.outer(1 - values_S, 1 - values_S)


def _inverse_distances(benchmark: Benchmark, name: str, states: pd.DataFrame) -> Array:
    """1 / MinDistance of every two states, whose rows are put in the order of `states`."""
    hista, group = get_estimator("hista").for_length(benchmark.typical_length), benchmark.cut_from[name]
    by_sample = states.reset_index(drop=True).sort_values("sample", kind="stable")
    rows = by_sample["token_index"] // hista.interval
    ends = [rows[by_sample["sample"] == i].tolist() for i in range(group.size)]
    distances_S_S = hista.distances(group, ends, ends).double().numpy()
    order = np.argsort(by_sample.index.to_numpy())
    # states without a row are infinitely far, and two of the same content would have all the weight
    return 1 / np.maximum(distances_S_S[np.ix_(order, order)], 1e-9)


def _of_states(values_S: Array, weights_S_S: Array) -> Iterator[tuple[int, dict[str, Any]]]:
    """(t, what holds for state t) for every state with a weight."""
    for t, value in enumerate(values_S):
        others = np.arange(len(values_S)) != t
        X, W = values_S[others] - value, weights_S_S[t, others]
        if not W.sum() > 0:
            continue
        bias, covariance = X.mean(), (W * X).mean() - W.mean() * X.mean()
        seven, eight = bool(bias * covariance <= 1e-12), bool(abs(covariance) <= 2 * W.mean() * abs(bias) + 1e-12)
        no_larger = abs(bias) - abs((W * X).sum() / W.sum()) >= -1e-12
        between = min(0.5, value + bias) < value < max(0.5, value + bias)
        yield t, {"seven": seven, "eight": eight, "both": seven and eight, "no_larger": no_larger, "between": between}


def _gains(known_S: Array, values_S: Array, weights_S_S: Array) -> Array:
    """(S,) |bias of the plain mean| - |bias of the weighted one|, both of `values_S` and with the signs that they have for `known_S`.

    The mean of others without any weight is the plain one.
    """
    weights_S_S = np.where(np.eye(len(values_S), dtype=bool), 0, weights_S_S)
    plain_S_S = 1.0 - np.eye(len(values_S))
    weights_S_S = np.where(weights_S_S.sum(axis=1, keepdims=True) > 0, weights_S_S, plain_S_S)

    def size(weights_S_S: Array) -> Array:
        shares_S_S = weights_S_S / weights_S_S.sum(axis=1, keepdims=True)
        return np.sign(shares_S_S @ known_S - known_S) * (shares_S_S @ values_S - values_S)

    return size(plain_S_S) - size(weights_S_S)


def shares(table: pd.DataFrame) -> dict[str, Interval]:
    """The mean of every column of `conditions` over states, and `larger`, the share in which the weighted mean has the larger bias, with
    the interval over resamples of problems."""
    columns = [*CONDITIONS, "larger", "gain", "between"]
    numbers = table.assign(larger=~table["no_larger"])[columns].astype(float)
    sums = numbers.assign(states=1.0).groupby(table["problem_id"]).sum().to_numpy()
    draws_R_C = _resampled(len(sums)) @ sums
    means_R_C = draws_R_C[:, :-1] / draws_R_C[:, -1:]
    return {name: _interval(means_R, len(sums)) for name, means_R in zip(columns, means_R_C.T, strict=True)}


def readable_correlation(found: Mapping[str, Mapping[str, Interval]]) -> Captioned:
    """`correlation` for each key of `PAIRS`, as a page shows it."""
    unsigned, signed = ("same_text", "near", "far"), ("difference", "exponent")
    rows = [(PAIRS[pairs], *(of[c].text() for c in unsigned), *(of[c].text(signed=True) for c in signed)) for pairs, of in found.items()]
    columns = ["pairs", "same text", "nearest tenth", "farthest tenth", "difference", "exponent, other texts"]
    caption = "Share of pairs with the same text, and of those that end in the same reward; in proportion to 1 / MD: exponent −1."
    return Captioned(pd.DataFrame(rows, columns=columns), caption)


def readable_conditions(found: Mapping[str, Mapping[str, Interval]]) -> Captioned:
    """`shares` for each key of `WEIGHTS`, as a page shows them."""
    rows = [(WEIGHTS[name], *(of[c].text() for c in CONDITIONS), of["gain"].text(signed=True)) for name, of in found.items()]
    columns = ["weights", *CONDITIONS.values(), "bias: plain − weighted"]
    return Captioned(
        pd.DataFrame(rows, columns=columns), "Share of the states in which a condition holds, and how much smaller the bias is."
    )


def judge_theorems(
    name: str, by_pairs: Mapping[str, Mapping[str, Interval]], by_weights: Mapping[str, Mapping[str, Interval]]
) -> list[Finding]:
    """What the theorems say, held against the measurement `name`."""
    findings = []
    for pairs, of in by_pairs.items():
        far = of["difference"]
        claim = f"5.2: states that are nearer end alike more often ({PAIRS[pairs]})"
        findings.append(Finding(claim, name, "proved", far.text(signed=True), judge_direction(+1, far)))
        off = Interval(*(bound + 1 for bound in (of["exponent"].estimate, of["exponent"].low, of["exponent"].high)))
        claim = f"5.2: in proportion to 1 / MinDistance ({PAIRS[pairs]})"
        findings.append(Finding(claim, name, "exponent −1", of["exponent"].text(signed=True), judge_zero(off, MARGIN)))
    for weights, of in by_weights.items():
        above = Interval(*(bound - NEARLY_ALWAYS for bound in (of["both"].estimate, of["both"].low, of["both"].high)))
        claim = f"B.2: the assumption holds ({WEIGHTS[weights]})"
        findings.append(Finding(claim, name, "assumed", f"in a share of {of['both'].text()} of the states", judge_direction(+1, above)))
        claim = f"5.5: the weighted mean has the smaller bias on average ({WEIGHTS[weights]})"
        ours = f"{of['gain'].text(signed=True)}; larger in a share of {of['larger'].text()} of the states"
        findings.append(Finding(claim, name, "proved from B.2", ours, judge_direction(+1, of["gain"])))
    return findings


def _resampled(prompts: int) -> Array:
    """(1 + R, P): every prompt once, then how often each resample draws it."""
    resamples = resampled_prompts(prompts, REPEATS, np.random.default_rng(derive_seed(0, "theory")))
    return np.vstack([np.ones(prompts), resamples])


def _interval(draws_R: Array, prompts: int) -> Interval:
    low, high = percentile_interval(draws_R[None, 1:], 0.95, prompts)
    return Interval(float(draws_R[0]), float(low[0]), float(high[0]))
