"""Scoring estimators on a finished build."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, available_estimators, get_estimator
from hista_repro.files import write_atomically
from hista_repro.progress import progress
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.records import read_table

FILE = "scores.parquet"
FOLDS = 5
"""Estimators that learn from other prompts are fitted on four fifths of the prompts and asked about the rest."""
_FEWEST_TO_LEARN = 3
"""Prompts of a build without which nothing is learnt across prompts: what differs between prompts shows in two."""


def score(folder: Path, estimators: Sequence[str | Estimator] | None = None, *, baseline: str | None = None) -> pd.DataFrame:
    """The value that each estimator gives to each state of the build in `folder`, beside the reference.

    One row per state and estimator: state_id, problem_id, domain, estimator, information, estimate, reference, n. `estimators` are names,
    or estimators of any settings; the default is all that train no network, whose extra draws the build holds and, over an independent
    pool, that are not of the own-return set. Of fewer than three problems, those that learn from other problems stay out. `baseline`
    names one more to score, for `statistics.summarise`.

    The rows are written to `scores.parquet` in `folder`, in the place of those of estimators of the same names. Rows of other estimators
    that the file holds stay as they were scored, whatever the settings and the code were then; without the file all begins anew. Raises
    `Refused`, before anything is written, for an unknown name, two estimators of one name, an estimator that the build cannot ask
    or whose values are none, and a file with scores of other states.
    """
    benchmark = Benchmark(folder)
    if estimators is None:
        chosen = [estimator for estimator in map(get_estimator, available_estimators()) if _by_default(estimator, benchmark)]
    else:
        named = [get_estimator(asked) if isinstance(asked, str) else asked for asked in estimators]
        chosen = list({id(estimator): estimator for estimator in named}.values())  # a name may be given twice
    if baseline is not None and chosen and baseline not in [estimator.name for estimator in chosen]:
        chosen.append(get_estimator(baseline))
    _stored(benchmark)  # what cannot be kept is better refused now than after hours
    scores = evaluate(benchmark, chosen)
    stored = _stored(benchmark)
    kept = [] if stored is None else [stored[~stored["estimator"].isin(scores["estimator"])]]
    written = pd.concat([*kept, scores], ignore_index=True)
    write_atomically(benchmark.folder / FILE, lambda temporary: written.to_parquet(temporary, index=False))
    return scores


def _stored(benchmark: Benchmark) -> pd.DataFrame | None:
    """The scores that the folder of the build holds; `Refused` where they are of other states or references."""
    if not (benchmark.folder / FILE).exists():
        return None
    stored = read_table(benchmark.folder, "scores")
    asked = {row.state_id: (row.successes / row.n, row.n) for states in benchmark.states.values() for row in states.itertuples()}
    there = set(stored[["state_id", "reference", "n"]].itertuples(index=False, name=None))
    if there != {(state, *reference) for state, reference in asked.items()}:
        raise Refused(f"{benchmark.folder / FILE} holds scores of other states than the build beside it; move it away")
    return stored


def evaluate(benchmark: Benchmark, estimators: Sequence[Estimator] | Mapping[str, Estimator], *, adapt: bool = True) -> pd.DataFrame:
    """The rows of `score` for estimators of any settings, adapted to the model of the build.

    The keys of a mapping take the place of the estimators' names, so that one estimator can have rows for several settings. Spacings are
    adapted to the typical length of a completion unless `adapt` is false. Raises `Refused` for none, for two of the same name, and for one
    that does not give a finite value for every state.
    """
    named = estimators if isinstance(estimators, Mapping) else {estimator.name: estimator for estimator in estimators}
    if not named:
        raise Refused("no estimator is named; name one, or all")
    if len(named) < len(estimators):
        raise Refused("two of the estimators share a name; give a mapping of labels to estimators")
    frames = []
    with progress(len(named) * len(benchmark), "scoring estimators", unit="prompts") as bar:
        for label, estimator in named.items():
            spaced = estimator.for_length(benchmark.typical_length) if adapt else estimator
            for frame in _scored(spaced.for_model(benchmark.config.model), benchmark):
                frames.append(frame.assign(estimator=label))
                bar.update(1)
    return pd.concat(frames, ignore_index=True)


def _by_default(estimator: Estimator, benchmark: Benchmark) -> bool:
    askable = estimator.information.unbiased or not benchmark.independent_pool
    askable &= len(benchmark) >= _FEWEST_TO_LEARN or not estimator.learns or estimator.sees_prompts
    return askable and estimator.draws <= benchmark.config.draws and not estimator.trains_model


def _scored(estimator: Estimator, benchmark: Benchmark) -> Iterator[pd.DataFrame]:
    """The rows of each prompt. What learns is fitted on other prompts or, where it asks for that, on other rollouts of the same ones."""
    if benchmark.independent_pool and not estimator.information.unbiased:
        raise Refused(
            f"{estimator.name} looks at the outcome of the rollout that a state is cut from, which is not in an independent pool; "
            "score its leave-one-out form"
        )
    names = np.array(list(benchmark.states), dtype=object)
    if not estimator.learns:
        folds = [(estimator, names)]
    elif estimator.sees_prompts:
        folds = [(estimator.fit(list(benchmark.other_rollouts.values())), names)]
    else:
        folds = cross_fitted(estimator, benchmark.groups, benchmark.config.seed)
    for fitted, asked in folds:
        for name in asked:
            yield pd.concat([_rows(fitted, group, states) for group, states in benchmark.asked(name)])


def cross_fitted(estimator: Estimator, groups: Mapping[str, RolloutGroup], seed: int) -> Iterator[tuple[Estimator, np.ndarray]]:
    """(fitted estimator, prompts to ask it about) such that no estimator is asked about a prompt that it saw.

    `groups`: those of all prompts of a build, by their names. Raises `Refused` for too few to learn from.
    """
    if len(groups) < _FEWEST_TO_LEARN:
        raise Refused(f"{estimator.name} is fitted on two other prompts or more, and the build holds {len(groups)} in all; raise its limit")
    order = np.random.default_rng(derive_seed(seed, "folds")).permutation(np.array(list(groups), dtype=object))
    for held_out in np.array_split(order, min(FOLDS, len(order))):
        seen = set(order) - set(held_out)
        yield estimator.fit([groups[name] for name in groups if name in seen]), held_out


def _rows(estimator: Estimator, group: RolloutGroup, states: pd.DataFrame) -> pd.DataFrame:
    positions: list[list[int]] = [[] for _ in range(group.size)]
    for state in states.itertuples():
        positions[state.sample].append(state.token_index)
    values = _checked(estimator, group, positions)
    value_of = {(i, t): v for i, (ts, vs) in enumerate(zip(positions, values, strict=True)) for t, v in zip(ts, vs, strict=True)}
    return pd.DataFrame(
        {
            "state_id": states.state_id.to_numpy(),
            "problem_id": group.prompt_id,
            "domain": states.domain.to_numpy(),
            "estimator": estimator.name,
            "information": estimator.information.value,
            "estimate": [value_of[state.sample, state.token_index] for state in states.itertuples()],
            "reference": (states.successes / states.n).to_numpy(),
            "n": states.n.to_numpy(),
        }
    )


def _checked(estimator: Estimator, group: RolloutGroup, positions: list[list[int]]) -> list[list[float]]:
    """What the estimator says of `positions`; `Refused` unless that is a finite value for each."""
    values = [[float(value) for value in of_rollout] for of_rollout in estimator.values(group, positions)]
    who = f"{estimator.name}, asked about {group.prompt_id!r},"
    if len(values) != len(positions):
        raise Refused(f"{who} gives values for {len(values)} rollouts of {len(positions)}")
    for i, (asked, given) in enumerate(zip(positions, values, strict=True)):
        if len(given) != len(asked):
            raise Refused(f"{who} gives {len(given)} values for the {len(asked)} positions of rollout {i}")
        if not np.isfinite(given).all():
            raise Refused(f"{who} gives a value that is not finite for rollout {i}")
    return values
