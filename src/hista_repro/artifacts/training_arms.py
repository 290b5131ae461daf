"""Training runs that differ in one thing, repeated over seeds: what a page about training measures.

Two accuracies are measured along the way. That of the rollouts trained on is taken before each update, on problems that no earlier update
has seen, and there are many of them; that of the held-out problems is taken now and then, one answer each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, differences_of_setting, judge_direction
from hista_repro.errors import Refused
from hista_repro.files import read_json
from hista_repro.paper import training_setting
from hista_repro.training.metrics_log import read_metrics
from hista_repro.training.record import record
from hista_repro.training.run_files import read_settings

TRAINING = "rewards/accuracy/mean"
VALIDATION = "eval_rewards/accuracy/mean"
LAST = 0.2
"""The part of the updates, from the end, over which the accuracy at the end is averaged."""
_TITLES = {"average": "trained on: all updates", "last": f"last {LAST:.0%}", "after": "held out: after"}
"""The columns of `outcomes` that tables show."""


@dataclass(frozen=True)
class Arm:
    """The runs of one arm, one for each seed."""

    name: str
    """As the page calls it."""
    config: Mapping[str, Any]
    """`training.TrainConfig` of the first seed, without the folder of its run."""
    metrics: pd.DataFrame
    """One row per seed and step: seed, step, and what the run logged (`training.metrics_log`)."""
    gpus: Sequence[str] = ()
    """Those that its runs had."""

    @property
    def seeds(self) -> list[int]:
        return list(self.metrics["seed"].unique())


def train_arms(config: str, arms: Mapping[str, str], seeds: Sequence[int], settings: Mapping[str, Any]) -> list[Arm]:
    """The arms of a page, making the runs that do not exist yet.

    `arms`: what the page calls an arm -> a run of the configuration file `config`, which is trained here with `settings` in the place of
    the file's; or the folders of runs that were trained elsewhere, such as on several nodes, with {seed} in their place. Raises `Refused`
    for fewer than two seeds, over which there is no interval, for a folder without a finished run, and for what `training.read_config`
    refuses.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise Refused(f"seeds must be two or more different numbers, not {list(seeds)}")
    return [_arm(name, {seed: _folder(config, run, seed, settings) for seed in seeds}) for name, run in arms.items()]


def _folder(config: str, run: str, seed: int, settings: Mapping[str, Any]) -> Path:
    if "{seed}" not in run:
        given = {**read_settings(Path(config), run), **settings, "seed": seed}
        return record({name: value for name, value in given.items() if name != "out"})
    folder = Path(run.format(seed=seed))
    manifest = folder / "manifest.json"
    if not manifest.exists() or read_json(manifest)["status"] != "done":
        raise Refused(f"{folder} holds no finished training run; make it with `hista-repro train CONFIG.yaml seed={seed} out={folder}`")
    return folder


def _arm(name: str, folders: Mapping[int, Path]) -> Arm:
    metrics = pd.concat([read_metrics(folder).assign(seed=seed) for seed, folder in folders.items()], ignore_index=True)
    manifest = read_json(next(iter(folders.values())) / "manifest.json")
    config = {setting: value for setting, value in manifest["config"].items() if setting != "out"}
    return Arm(name, config, metrics, manifest["provenance"]["hardware"]["gpus"])


def over_seeds(values: Sequence[float], known: Sequence[float] = ()) -> Interval:
    """The mean of one number per seed, with a 95% interval: Student's, or a wider one where the seeds are alike by luck.

    `known` are standard errors that each of the numbers has at least, whatever the seeds; the interval is no narrower than they make it.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        raise ValueError(f"values: an interval needs two or more, not {len(values)}")
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    least = float(np.sqrt(np.square(known).sum())) / len(values)
    reach = max(float(student.ppf(0.975, len(values) - 1)) * error, float(norm.ppf(0.975)) * least)
    return Interval(mean, mean - reach, mean + reach)


def accuracy_over_seeds(values: Sequence[float], known: Sequence[float] = ()) -> Interval:
    """`over_seeds` of an accuracy; the interval ends at 0 and 1, since an accuracy does."""
    interval = over_seeds(values, known)
    return replace(interval, low=max(interval.low, 0.0), high=min(interval.high, 1.0))


def outcomes(arm: Arm) -> pd.DataFrame:
    """One row per seed (the index): accuracies.

    `average` and `last`: of the rollouts trained on, over all updates and over the last `LAST` of them. `before` and `after`: of the
    held-out problems, at the first and the last step; `gain`: their difference.
    """
    rows = {}
    for seed, metrics in arm.metrics.groupby("seed"):
        trained, held_out = metrics[TRAINING].dropna(), metrics[VALIDATION].dropna()
        last = trained.iloc[-max(round(LAST * len(trained)), 1) :]
        before, after = held_out.iloc[0], held_out.iloc[-1]
        rows[seed] = {"average": trained.mean(), "last": last.mean(), "before": before, "after": after, "gain": after - before}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")


def answer_errors(arm: Arm) -> pd.DataFrame:
    """The standard errors that the numbers of `outcomes` have because other answers could have been drawn; same rows and columns.

    Binomial, as if each answer were to a problem of its own: a little too large, since problems differ and arms answer the same.
    """
    per_update, held_out = arm.config["prompts"] * arm.config["group_size"], arm.config["validation_problems"]
    rows = {}
    for seed, metrics in arm.metrics.groupby("seed"):
        trained, validated = metrics[TRAINING].dropna(), metrics[VALIDATION].dropna()
        last = trained.iloc[-max(round(LAST * len(trained)), 1) :]
        before, after = (_binomial_error(validated.iloc[[end]], held_out) for end in (0, -1))
        average, late = (_binomial_error(accuracies, per_update) for accuracies in (trained, last))
        rows[seed] = {"average": average, "last": late, "before": before, "after": after, "gain": float(np.hypot(before, after))}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")


def _binomial_error(accuracies: pd.Series, answers: int) -> float:
    """The standard error of the mean of accuracies of so many answers each."""
    return float(np.sqrt((accuracies * (1 - accuracies)).clip(lower=0).sum() / answers) / len(accuracies))


def outcome_over_seeds(arm: Arm, name: str) -> Interval:
    """A column of `outcomes` with its 95% interval over seeds, no narrower than the answers make it."""
    interval_of = over_seeds if name == "gain" else accuracy_over_seeds
    return interval_of(outcomes(arm)[name], answer_errors(arm)[name])


def outcome_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """One row per arm: arm, seeds, and each number of `outcomes` with its 95% interval over seeds (`_low`, `_high`)."""
    rows = []
    for arm in arms:
        row: dict[str, Any] = {"arm": arm.name, "seeds": len(arm.seeds)}
        for name in outcomes(arm):
            interval = outcome_over_seeds(arm, str(name))
            row |= {str(name): interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def readable_outcomes(arms: Sequence[Arm]) -> Captioned:
    """Accuracies in training and after it; all arms start from the same model, so what it has before is that of the first."""
    table = outcome_table(arms)
    shown = table[["arm"]].copy()
    for name, title in _TITLES.items():
        intervals = [Interval(*row) for row in table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)]
        shown[title] = [interval.text() for interval in intervals]
    before = outcome_over_seeds(arms[0], "before").text()
    return Captioned(shown, f"{size_of(arms)}: {before} before training. Accuracies, with 95% intervals over seeds.")


def paired(arm: Arm, against: Arm, outcome: str) -> Interval:
    """The difference of `outcome` (a column of `outcomes`) between runs of the same seed, with its 95% interval."""
    known = np.hypot(answer_errors(arm)[outcome], answer_errors(against)[outcome])
    return over_seeds(outcomes(arm)[outcome] - outcomes(against)[outcome], known)


def readable_pairs(arms: Sequence[Arm], pairs: Sequence[tuple[str, str]]) -> Captioned:
    """Their paired differences for pairs of arms, by name; a pair of which an arm was not trained is left out."""
    by_name = {arm.name: arm for arm in arms}
    rows = []
    for first, second in pairs:
        if {first, second} <= by_name.keys():
            differences = [paired(by_name[first], by_name[second], name).text(signed=True) for name in _TITLES]
            rows.append((f"{first} − {second}", *differences))
    frame = pd.DataFrame(rows, columns=["arms", *_TITLES.values()])
    return Captioned(frame, "Differences of accuracy between runs of the same seed, with 95% intervals over seeds.")


def judge_pair(arms: Sequence[Arm], first: str, second: str, outcome: str, claim: str, printed: str = "seen in the figure") -> Finding:
    """A claim that the arm `first` ends higher in `outcome` than `second`."""
    by_name = {arm.name: arm for arm in arms}
    difference = paired(by_name[first], by_name[second], outcome)
    ours = f"difference of accuracy, {first} − {second}: {difference.text(signed=True)}"
    return Finding(claim, setting_of(arms[0]), printed, ours, judge_direction(+1, difference))


def judge_learning(arm: Arm) -> Finding:
    """That held-out accuracy is higher after training than before."""
    gain = outcome_over_seeds(arm, "gain")
    claim = f"{arm.name}: accuracy on held-out problems rises"
    return Finding(claim, setting_of(arm), "seen in the figure", f"gain: {gain.text(signed=True)}", judge_direction(+1, gain))


def judge_steadier(arms: Sequence[Arm], first: str, second: str, column: str, claim: str) -> Finding:
    """A claim that `column` changes less from update to update in the arm `first` than in `second`; taken here as: the mean of the
    absolute changes is smaller."""
    by_name = {arm.name: arm for arm in arms}
    changes = [_mean_change(by_name[name], column) for name in (first, second)]
    difference = over_seeds(changes[0] - changes[1])
    ours = f"difference of the mean change, {first} − {second}: {difference.text(signed=True)}"
    return Finding(claim, setting_of(arms[0]), "seen in the figure", ours, judge_direction(-1, difference))


def _mean_change(arm: Arm, column: str) -> pd.Series:
    """Seed -> mean absolute change of `column` from one update to the next."""
    updates = arm.metrics.dropna(subset=[TRAINING])
    return updates.groupby("seed")[column].agg(lambda values: values.diff().abs().mean())


def setting_of(arm: Arm) -> str:
    return f"{Path(arm.config['model']).name} on {Path(arm.config['problems']).name}"


def setting_differences(arms: Sequence[Arm], models: str, problems: str) -> tuple[str, ...]:
    """What differs from the paper's training of `models` on `problems`, a sentence each."""
    ours = [
        {
            "Model": Path(arm.config["model"]).name,
            "Problems": Path(arm.config["problems"]).name,
            "Completions of an update": str(arm.config["prompts"] * arm.config["group_size"]),
            "Longest answer in tokens": str(arm.config["max_tokens"]),
            "Sampling temperature": str(arm.config["temperature"]),
            "Seeds": str(len(arm.seeds)),
        }
        for arm in arms
    ]
    return differences_of_setting([training_setting(models, problems)], ours)


def size_of(arms: Sequence[Arm]) -> str:
    config, seeds = arms[0].config, len(arms[0].seeds)
    updates = f"{config['steps']} updates of {config['prompts']} prompts with {config['group_size']} completions each"
    return f"{setting_of(arms[0])}: {seeds} seeds, {updates}, {config['validation_problems']} problems held out"


def curves(arms: Sequence[Arm], column: str, points: int = 20) -> pd.DataFrame:
    """One row per arm and stretch of updates: arm, step (the middle of the stretch), mean, low, high.

    `column` is averaged over each of `points` stretches within a run first; the interval is over seeds. What is logged less often is
    given at its own steps.
    """
    rows = []
    interval_of = accuracy_over_seeds if column in (TRAINING, VALIDATION) else over_seeds
    for arm in arms:
        logged = arm.metrics.dropna(subset=[column]) if column in arm.metrics else arm.metrics.iloc[:0]
        steps = logged["step"].unique()
        width = max(len(steps) // points, 1)
        stretch = logged["step"].map({step: place // width for place, step in enumerate(sorted(steps))})
        for _, part in logged.groupby(stretch):
            interval = interval_of(part.groupby("seed")[column].mean())
            rows.append(
                {"arm": arm.name, "step": part["step"].mean(), "mean": interval.estimate, "low": interval.low, "high": interval.high}
            )
    return pd.DataFrame(rows, columns=["arm", "step", "mean", "low", "high"])
