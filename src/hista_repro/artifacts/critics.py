"""PPO's critics on the benchmark (Tables 1 and 2, Figures 2 and 6 of the paper): trained once, and asked whether they collapse."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from hista_repro.artifacts.ablations import NOTABLE
from hista_repro.artifacts.comparisons import error_difference
from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.kept_tables import kept_scores
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.shifts import shifts
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction, number_text
from hista_repro.estimators.authors_critic import AuthorsCritic
from hista_repro.estimators.critic import FairCritic
from hista_repro.estimators.ppo_1 import FirstEpochCritic
from hista_repro.estimators.ppo_n import LaterEpochCritic
from hista_repro.seeding import derive_seed
from hista_repro.sveb import BuildConfig, record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.statistics import summarise

_ROWS = {"ppo-1": FirstEpochCritic, "ppo-n": LaterEpochCritic}
KINDS = {"": "the fair critic", "-authors": "the authors' critic"}
"""Ending of an estimator's name -> in words."""
COLLAPSED = 0.1
"""Within this of zero, the explained variance within prompts is that of a value which is the same for all states of a prompt."""


def critic(row: str, kind: str, *, lam: float = 1.0, rollouts: int, epochs: int, authors_rate: float) -> FirstEpochCritic:
    """`ppo-1` or `ppo-n` of a kind, trained on `rollouts` of each problem: the fair one for at most `epochs`, the authors' one with
    learning rate `authors_rate`."""
    training = AuthorsCritic(learning_rate=authors_rate) if kind else FairCritic(epochs=epochs)
    return _ROWS[row](critic=training, lam=lam, rollouts=rollouts)


def with_critics(measurement: Measurement, critics: Mapping[str, FirstEpochCritic]) -> Measurement:
    """The measurement with the scores of critics under their labels; each is trained by the first page that asks for it.

    Critics compute in float32 where the model of the build did, and otherwise in bfloat16.
    """
    dtype = torch.float32 if BuildConfig.from_dict(measurement.config).dtype == "float32" else torch.bfloat16
    alike = {label: replace(estimator, critic=replace(estimator.critic, dtype=dtype)) for label, estimator in critics.items()}
    scores = kept_scores(Benchmark(record(measurement.config)), alike, adapt=False)
    scores = scores[scores["state_id"].isin(measurement.scores["state_id"])]
    return replace(measurement, scores=pd.concat([measurement.scores, scores], ignore_index=True))


def variance_table(measurement: Measurement, estimators: Sequence[str]) -> pd.DataFrame:
    """How much of the variance of the true values estimators explain: of all states, between prompts, and within them, with intervals.

    Shares as `sveb.statistics` corrects them for the noise of the references. `between` is that of the means over each prompt's states.
    A share is NaN where the references show no more variance than their noise has.
    """
    baseline = ["loo-mean"] if "loo-mean" not in estimators else []
    scores = measurement.scores[measurement.scores["estimator"].isin([*estimators, *baseline])]
    summary = summarise(scores, repeats=REPEATS).set_index("estimator")
    names = {"explained_variance": "all", "within_prompt_explained_variance": "within"}
    rows = []
    for estimator in estimators:
        row = {f"{short}{end}": summary.loc[estimator, f"{name}{end}"] for name, short in names.items() for end in ("", "_low", "_high")}
        between = _between(scores[scores["estimator"] == estimator])
        row |= dict(zip(("between", "between_low", "between_high"), between, strict=True))
        rows.append({"estimator": estimator, **row})
    return pd.DataFrame(rows)


def readable_variance(measurement: Measurement, table: pd.DataFrame) -> Captioned:
    """A `variance_table` as a page shows it."""
    shown = table[["estimator"]].copy()
    for name, title in (("all", "all states"), ("between", "between prompts"), ("within", "within prompts")):
        cells = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        shown[title] = ["–" if np.isnan(cell).any() else Interval(*cell).text() for cell in cells]
    return Captioned(shown, f"{measurement.name}: share of the variance of the true values that is explained; a constant explains 0.")


def share_texts(row: pd.Series, key: str) -> dict[str, str]:
    """What a page's text shows of a row of a `variance_table`: `between_<key>` and `within_<key>`, with two decimals, – where unknown."""
    return {f"{name}_{key}": "–" if np.isnan(row[name]) else number_text(row[name], digits=2) for name in ("between", "within")}


def judge_errors_of(measurement: Measurement, label: str, other: str, printed: float, variances: pd.DataFrame) -> Finding:
    """Does the error differ between two labels in the direction of the paper's difference `printed`?

    `variances`, a `variance_table`, tells which critics have learnt nothing; see `of_learnt`.
    """
    claim = f"{label} has a {'smaller' if printed < 0 else 'larger'} error than {other}"
    difference = error_difference(measurement, label, other)
    word = judge_direction(printed, difference)
    finding = Finding(claim, measurement.name, number_text(printed, signed=True), difference.text(signed=True), word)
    return of_learnt(finding, variances, (label, other))


def judge_no_advantage(measurement: Measurement, label: str, other: str, printed: float, variances: pd.DataFrame) -> Finding:
    """Section 4.2: PPO-1 "offers no measurable advantage"; taken here as: the interval of the difference lies within `NOTABLE` of 0.

    `printed` is the paper's difference, and `variances` as in `judge_errors_of`.
    """
    claim = f"the error of {label} differs from that of {other} by less than {NOTABLE}"
    difference = error_difference(measurement, label, other)
    word = judge_zero(difference, NOTABLE)
    finding = Finding(claim, measurement.name, number_text(printed, signed=True), difference.text(signed=True), word)
    return of_learnt(finding, variances, (label, other))


def of_learnt(finding: Finding, variances: pd.DataFrame, labels: Sequence[str]) -> Finding:
    """The finding about the errors of `labels`, undecided where one is a critic that is not seen to explain how prompts differ.

    Such a critic has learnt nothing, and its error tells of the training, not of critics. `variances` is a `variance_table` that has
    every critic of `labels`; other estimators decide as they are.
    """
    table = variances.set_index("estimator")
    for label in labels:
        if label.startswith(tuple(_ROWS)) and not table.loc[label, "between_low"] > 0:
            ours = f"{finding.ours}; {label} is not seen to explain how prompts differ"
            return replace(finding, ours=ours, word=Word.UNDECIDED if finding.word is not Word.NOT_RUN else finding.word)
    return finding


def judge_collapse(measurement: Measurement, table: pd.DataFrame, estimator: str) -> Finding:
    """Section 4.2: a critic's values degenerate to the group mean."""
    claim, paper = f"{estimator} collapses: its values are the same for all states of a prompt", "seen in the figures"
    return Finding(claim, measurement.name, paper, *collapse_of(table.set_index("estimator").loc[estimator]))


def collapse_of(row: pd.Series) -> tuple[str, Word]:
    """What a row of a `variance_table` says of a collapse, and the word (`collapse_word`); not comparable where a share is unknown."""
    within, between = (row[[name, f"{name}_low", f"{name}_high"]].to_numpy(float) for name in ("within", "between"))
    for words, share in (("within", within), ("between", between)):
        if np.isnan(share).any():
            return f"no variance {words} prompts", Word.NOT_COMPARABLE
    within, between = Interval(*within), Interval(*between)
    ours = f"explained variance within prompts: {within.text(signed=True)}; between: {between.text(signed=True)}"
    return ours, collapse_word(within, between)


def collapse_word(within: Interval, between: Interval) -> Word:
    """Whether a critic that explains such shares of the variance within and between prompts has collapsed: within, `COLLAPSED` at most.

    A critic whose values vary, but not with the true ones, explains less than nothing, and has not collapsed either. Of one that does not
    explain the means of the prompts either nothing can be said: it has not learnt what it could collapse to.
    """
    word = judge_zero(within, COLLAPSED)
    return Word.UNDECIDED if word is Word.AGREES and not between.low > 0 else word


def judge_spread(measurement: Measurement, estimator: str, other: str) -> Finding:
    """Section 4.2: the values of PPO-1 lie farther from the group mean than those of PPO-N; taken here as: on average."""
    distances = [shifts(measurement, name).assign(distance=lambda s: s["shift"].abs()) for name in (estimator, other)]
    sums = [table.groupby("problem_id")["distance"].agg(["sum", "size"]) for table in distances]
    differences_P, states_P = (sums[0]["sum"] - sums[1]["sum"]).to_numpy(), sums[0]["size"].to_numpy()
    resamples_R_P = _resamples(len(states_P))
    draws = (resamples_R_P @ differences_P) / (resamples_R_P @ states_P)
    low, high = percentile_interval(draws[None, 1:], 0.95, len(states_P))
    difference = Interval(float(draws[0]), float(low[0]), float(high[0]))
    ours = f"mean distance: {difference.text(signed=True)}"
    claim = f"{estimator} lies farther from the group mean than {other}"
    return Finding(claim, measurement.name, "seen in the figures", ours, judge_direction(+1, difference))


def _between(scores: pd.DataFrame) -> tuple[float, float, float]:
    """Explained variance of the means over each prompt's states, with its interval; NaN where these means show no variance."""
    noise = scores["reference"] * (1 - scores["reference"]) / (scores["n"] - 1)
    errors = scores["estimate"] - scores["reference"]
    prompts = scores.assign(error=errors, noise=noise, size=1).groupby("problem_id")[["error", "reference", "noise", "size"]].sum()
    size_P = prompts["size"].to_numpy()
    error_P, value_P, noise_P = (prompts[name].to_numpy() / size_P for name in ("error", "reference", "noise"))
    resamples_R_P, count = _resamples(len(size_P)), len(size_P)
    mean_noise_R = resamples_R_P @ (noise_P / size_P) / count
    mse_R = resamples_R_P @ error_P**2 / count - mean_noise_R
    spread_R = resamples_R_P @ value_P**2 / count - (resamples_R_P @ value_P / count) ** 2
    variance_R = spread_R * count / (count - 1) - mean_noise_R
    draws = np.where(variance_R > 0, 1 - mse_R / np.where(variance_R > 0, variance_R, 1), np.nan)
    low, high = percentile_interval(draws[None, 1:], 0.95, count)
    return float(draws[0]), float(low[0]), float(high[0])


def _resamples(prompts: int) -> np.ndarray:
    """(1 + R, P): every prompt once, then how often each resample draws it."""
    resamples = resampled_prompts(prompts, REPEATS, np.random.default_rng(derive_seed(0, "critics")))
    return np.vstack([np.ones(prompts), resamples])
