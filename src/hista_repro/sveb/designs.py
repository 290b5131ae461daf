"""What the design of the benchmark adds to a score: where states are cut, and whether estimators see the rollouts these are cut from."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hista_repro.estimators import get_estimator
from hista_repro.seeding import derive_seed
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.score import evaluate

LEAVE_ONE_OUT = {"group-mean": "loo-mean", "numca": "numca-loo", "hista": "hista-loo"}
"""Published form -> the form that a rollout's own outcome does not enter."""
INDEPENDENT = ", independent"
"""What the label of a form ends with that was asked about an independent pool."""


def pool_scores(benchmark: Benchmark, forms: Mapping[str, str] = LEAVE_ONE_OUT) -> pd.DataFrame:
    """Scores of the same states over both pools, with the columns of `score`, for a benchmark with an independent pool.

    Of every method there are three rows: as published, over the rollouts that states are cut from; its leave-one-out form (`forms` gives
    it), over the same; and that form over the independent pool, with `INDEPENDENT` after its name. The last two differ in nothing but the
    sample and its size, G - 1 and G. What the first gains over both comes with the own outcome; `numca-loo` also shrinks, which `numca`
    does not.
    """
    own = Benchmark(benchmark.folder, independent_pool=False)
    published = evaluate(own, [get_estimator(name) for pair in forms.items() for name in pair])
    independent = evaluate(benchmark, {name + INDEPENDENT: get_estimator(name) for name in forms.values()})
    return pd.concat([published, independent], ignore_index=True)


def selection_bias(benchmark: Benchmark, repeats: int = 2000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """By domain: `bias`, the mean over states of own outcome minus reference, with `low` and `high` at `level` over resamples of prompts.

    It is zero, up to chance, where the choice of states does not depend on how their rollouts went on. With cuts at fixed positions that
    is so but for one action: a rollout that ended right at the cut gives no state, while continuations of a state may end at once.
    """
    states = pd.concat(
        states.assign(excess=benchmark.cut_from[name].rewards_G.numpy()[states["sample"]] - states["successes"] / states["n"])
        for name, states in benchmark.states.items()
    )
    rows = []
    for domain, part in states.groupby("domain", sort=False):
        sums = part.groupby("problem_id")["excess"].agg(["sum", "size"]).to_numpy(np.float64)
        resamples_R_P = resampled_prompts(len(sums), repeats, np.random.default_rng(derive_seed(seed, "selection-bias", domain)))
        draws_R_2 = resamples_R_P @ sums
        low, high = percentile_interval((draws_R_2[:, 0] / draws_R_2[:, 1])[None], level, len(sums))
        bias = part["excess"].mean()
        rows.append({"domain": domain, "n_prompts": len(sums), "n_states": len(part), "bias": bias, "low": low[0], "high": high[0]})
    return pd.DataFrame(rows)


def longer_when_right(
    benchmark: Benchmark, domain: str, repeats: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """By how many tokens right rollouts are longer than wrong ones of the same prompt, with the ends of its interval at `level`.

    The mean over the prompts of `domain` that have both. Where it is zero, cuts anywhere prefer no ending. NaN without such prompts.
    """
    differences = []
    for name, group in benchmark.cut_from.items():
        lengths, right = np.array([group.length(i) for i in range(group.size)]), group.rewards_G.numpy() > 0
        if benchmark.states[name]["domain"].iloc[0] == domain and 0 < right.sum() < group.size:
            differences.append(lengths[right].mean() - lengths[~right].mean())
    if not differences:
        return (np.nan,) * 3
    resamples_R_P = resampled_prompts(len(differences), repeats, np.random.default_rng(derive_seed(seed, "longer", domain)))
    low, high = percentile_interval((resamples_R_P @ np.array(differences) / len(differences))[None], level, len(differences))
    return float(np.mean(differences)), float(low[0]), float(high[0])
