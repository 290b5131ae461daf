"""`hista-repro run --dry-run`: what each artifact of a profile would take, without beginning it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product, repeat
from pathlib import Path
from typing import Any

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.benchmarks import EvaluationConfig
from hista_repro.checkout import find_checkout
from hista_repro.errors import Refused
from hista_repro.planning.costs import GRADIENT_PASSES, Assumptions, Cost, cost_of_build, reading_hours
from hista_repro.planning.evaluations import cost_of_evaluation
from hista_repro.planning.here import hours_here, rates_here, shares_of
from hista_repro.planning.shapes import shape_of
from hista_repro.planning.training import cost_of_training
from hista_repro.planning.work import evaluations_of, runs_of
from hista_repro.runner.plan import Task, builds_of, choose, make_task
from hista_repro.runner.profiles import load_profile
from hista_repro.sveb.config import BuildConfig

CRITICS = 4
"""PPO-1 and PPO-N, of two kinds each; all that the pages about critics train, whichever of them a page shows."""


def plan(
    ids: Sequence[str] = (),
    *,
    profile: str = "paper",
    overrides: Mapping[str, str] | None = None,
    executor: str = "local",
    root: Path | str | None = None,
    artifacts: Mapping[str, Artifact] = ARTIFACTS,
    assumed: Assumptions | None = None,
    here: bool = False,
) -> list[dict[str, Any]]:
    """One row for each artifact: `id`, `models`, `problems`, `builds`, `training_runs`, `evaluations`, `rollouts`, `continuations`,
    `tokens`, `gpu_hours`, `disk_gb`, `unknown` (what could not be counted), `before` (the commands that train what the notebook only
    reads) and `command`.

    With `here`, also `hours_here`, which sampling the builds takes on this machine at most, and `expected_hours_here`, at the share of the
    bound that recorded builds with the same settings used; None where that is not known. For these the models sample for some seconds.

    The last row, `all`, counts what artifacts share once, and the models. Amounts are bounds (see `planning.costs`). What exists already
    is counted too. Raises `Refused` for what a run would refuse, for a build whose size its settings do not bound, and for a training run
    that cannot be told.
    """
    sizes, checkout, overrides, assumed = load_profile(profile), find_checkout(root), dict(overrides or {}), assumed or Assumptions()
    tasks = [make_task(artifact, sizes, overrides, checkout) for artifact in choose(ids, sizes, artifacts)]
    if not tasks:
        raise Refused(f"profile {sizes.name} makes no artifact, so there is nothing to plan; give it sizes under `artifacts:`")
    local = _Local([BuildConfig.from_dict(build) for build in builds_of(tasks)], checkout) if here else None
    options = [f"--profile {profile}", *(f"-p {name}={value}" for name, value in overrides.items()), f"--executor {executor}"]
    rows = [
        {"id": task.artifact.id, **_amounts([task], assumed, local), "command": " ".join(["hista-repro run", task.artifact.id, *options])}
        for task in tasks
    ]
    everything = _amounts(tasks, assumed, local)
    weights = sum(shape_of(model).weight_bytes for model in everything["models"].split(", ") if model)
    everything["disk_gb"] += weights / 1e9
    return [*rows, {"id": "all", **everything, "command": " ".join(["hista-repro run", *ids, *options])}]


def readable_plan(rows: Sequence[Mapping[str, Any]], assumed: Assumptions | None = None) -> str:
    """The rows of a `plan`, a paragraph each, and what they assume."""
    assumed = assumed or Assumptions()
    parts = ["\n".join([row["id"], *(f"  {name:<10} {text}" for name, text in _lines(row))]) for row in rows]
    assumption = (
        "All amounts are bounds: every candidate is kept, and every completion is as long as it may be. Builds, training runs and\n"
        "evaluations that artifacts share are made once, and counted once under `all`, with the models. Training counts all that is\n"
        "drawn, also what dynamic sampling drops and what validation asks. "
        f"GPU-hours are those of one {assumed.gpu} ({assumed.peak_flops / 1e12:.0f} TFLOP/s in\n"
        f"bfloat16), of which writing is assumed to use {assumed.sampling_utilisation:.0%}, and reading and gradients "
        f"{assumed.training_utilisation:.0%}."
    )
    if any("hours_here" in row for row in rows):
        assumption += " Hours on this machine follow from how fast it wrote just now, with all workers that a build would have."
    return "\n\n".join([*parts, assumption])


def _lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `readable_plan` says of a row, line by line: a name, or nothing where the line goes on with the one before, and a text."""
    made = {"builds": row["builds"], "training runs": row["training_runs"], "evaluations": row["evaluations"]}
    amounts = [
        ("models", row["models"]),
        ("data sets", row["problems"]),
        ("makes", ", ".join(f"{name}: {number}" for name, number in made.items() if number)),
        ("sampling", f"{row['rollouts']:,} rollouts, {row['continuations']:,} continuations, {row['tokens'] / 1e6:,.1f} million tokens"),
        ("takes", f"{row['gpu_hours']:,.2f} GPU-hours, {row['disk_gb']:,.2f} GB"),
        *([("here", _here(row))] if row["builds"] and "hours_here" in row else []),
    ]
    return [
        *(amounts if any(made.values()) else [("makes", "nothing that a model is needed for")]),
        *_listed("unknown", row["unknown"]),
        *_listed("before", row["before"]),
        ("command", row["command"]),
    ]


def _here(row: Mapping[str, Any]) -> str:
    if row["hours_here"] is None:
        return "not known: a model of its builds is not on this machine"
    expected = row["expected_hours_here"]
    recorded = "" if expected is None else f", about {expected:,.2f} at the share of that which recorded builds used"
    return f"sampling the builds takes {row['hours_here']:,.2f} hours at most{recorded}"


def _listed(name: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(chain([name], repeat("")), texts, strict=False)


class _Local:
    """What is known of this machine about `builds`."""

    def __init__(self, builds: Sequence[BuildConfig], checkout: Path) -> None:
        self.rates = rates_here(builds)
        self.shares = shares_of(path.parent for path in sorted(checkout.glob("results/*/builds/*/manifest.json")))

    def amounts(self, builds: Sequence[BuildConfig]) -> dict[str, Any]:
        hours = hours_here(builds, self.rates, self.shares)
        return {"hours_here": hours and hours.at_most, "expected_hours_here": hours and hours.expected}


def _amounts(tasks: Sequence[Task], assumed: Assumptions, local: _Local | None) -> dict[str, Any]:
    """What making `tasks` takes, where each build, training run and evaluation is made once."""
    builds = [BuildConfig.from_dict(settings) for settings in builds_of(tasks)]
    runs, evaluations = runs_of(tasks), evaluations_of(tasks)
    costs = [cost_of_build(build, assumed) for build in builds]
    costs += [cost_of_training(run.config, assumed) for run in runs]
    costs += [cost_of_evaluation(evaluation.config, assumed) for evaluation in evaluations]
    total = sum(costs, Cost())
    reading = sum(reading_hours(BuildConfig.from_dict(build), 1, assumed=assumed) for task in tasks for build in builds_of([task]))
    asked = [*builds, *(run.config for run in runs), *(evaluation.config for evaluation in evaluations)]
    problems = [name for config in asked for name in (config.benchmarks if isinstance(config, EvaluationConfig) else [config.problems])]
    return {
        "models": ", ".join(dict.fromkeys(config.model for config in asked)),
        "problems": ", ".join(dict.fromkeys(problems)),
        **{"builds": len(builds), "training_runs": len(runs), "evaluations": len(evaluations)},
        **{"rollouts": total.rollouts, "continuations": total.continuations, "tokens": total.tokens},
        "gpu_hours": total.gpu_hours + reading + _critic_hours(tasks, assumed),
        **(local.amounts(builds) if local else {}),
        "disk_gb": total.disk_bytes / 1e9,
        "unknown": list(dict.fromkeys(total.unknown)),
        "before": [run.command for run in runs if run.command],
    }


def _critic_hours(tasks: Sequence[Task], assumed: Assumptions) -> float:
    """GPU-hours to train the critics that pages ask for by `epochs` and `rollouts`; those of a build and a size are shared."""
    wanted = {}
    for task in tasks:
        if {"epochs", "rollouts"} <= task.parameters.keys():
            asked = task.parameters["rollouts"]
            for build, rollouts in product(builds_of([task]), asked if isinstance(asked, list) else [asked]):
                wanted[repr(build), rollouts] = (build, task.parameters["epochs"], rollouts)
    return sum(
        reading_hours(BuildConfig.from_dict(build), CRITICS * epochs * GRADIENT_PASSES, rollouts, assumed)
        for build, epochs, rollouts in wanted.values()
    )
