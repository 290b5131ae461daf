"""Scoring estimators on a finished build."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, available_estimators, get_estimator
from hista_repro.files import write_atomically
from hista_repro.progress import progress
from hista_repro.rollouts.engine import Engine
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.seeding import derive_seed
from hista_repro.sveb.build import make_engine
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import read_manifest, read_table

FOLDS = 5
"""Estimators that learn are fitted on four fifths of the prompts and asked about the rest."""


def score(folder: Path, estimators: Sequence[str] | None = None) -> pd.DataFrame:
    """The value that each estimator gives to each state of the build in `folder`, beside the reference.

    One row per state and estimator: state_id, problem_id, domain, estimator, information, estimate, reference, n. Written to
    `scores.parquet` in `folder`. `estimators` are names (default: all that the build can serve); raises `Refused` for an unknown one.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    config = BuildConfig.from_dict(manifest["config"])
    names = list(available_estimators()) if estimators is None else list(dict.fromkeys(estimators))
    chosen = [get_estimator(name).for_length(manifest["typical_length"]) for name in names]
    benchmark = Benchmark(folder, config, needs_model=any(estimator.reads_hidden for estimator in chosen))
    frames = []
    with progress(len(chosen) * len(benchmark), "scoring estimators", unit="prompts") as bar:
        for group, states in benchmark:
            frames.extend(_rows(estimator, group, states) for estimator in chosen if not estimator.learns)
            bar.update(sum(not estimator.learns for estimator in chosen))
        for estimator in (estimator for estimator in chosen if estimator.learns):
            frames.extend(_cross_fitted(estimator, list(benchmark), config.seed))
            bar.update(len(benchmark))
    scores = pd.concat(frames, ignore_index=True)
    write_atomically(folder / "scores.parquet", lambda temporary: scores.to_parquet(temporary, index=False))
    return scores


class Benchmark:
    """The groups of a finished build with the states to be valued, one problem after the other."""

    def __init__(self, folder: Path, config: BuildConfig, *, needs_model: bool = True) -> None:
        problems = read_table(folder, "problems")
        self._prompts = dict(zip(problems.problem_id, problems.prompt_token_ids, strict=True))
        self._rollouts = dict(list(read_table(folder, "rollouts").groupby("problem_id", sort=False)))
        states = read_table(folder, "states").merge(read_table(folder, "references"), on="state_id", validate="one_to_one")
        self._states = dict(list(states.groupby("problem_id", sort=False)))
        self._engine = make_engine(config) if needs_model else None

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[tuple[RolloutGroup, pd.DataFrame]]:
        for name, states in self._states.items():
            rollouts = self._rollouts[name]
            group = RolloutGroup(
                prompt_id=name,
                completions=tuple(rollouts.text),
                token_ends=tuple(rollouts.token_ends),
                rewards_G=torch.tensor(rollouts.reward.to_numpy()),
                hidden_of=None if self._engine is None else _reader(self._engine, self._prompts[name], rollouts.token_ids),
                continue_from=_recorded_draws(states),
            )
            yield group, states


def _reader(engine: Engine, prompt: np.ndarray, completions: Sequence[np.ndarray]) -> Callable[[int], HiddenStates]:
    """Hidden states of one group by layer, each read once."""
    layers: dict[int, HiddenStates] = {}

    def read(layer: int) -> HiddenStates:
        if layer not in layers:
            layers[layer] = engine.hidden_states(prompt.tolist(), [tokens.tolist() for tokens in completions], layer)
        return layers[layer]

    return read


def _recorded_draws(states: pd.DataFrame) -> Callable[[int, int, int], Tensor]:
    """The continuations that the build kept apart from the references, as if drawn now."""
    draws = {(row.sample, row.token_index): row.draws for row in states.itertuples()}

    def draw(sample: int, position: int, count: int) -> Tensor:
        recorded = draws[sample, position]
        if count > len(recorded):
            raise Refused(f"{count} extra draws per state are needed and the build holds {len(recorded)}; build with more draws")
        return torch.tensor(recorded[:count])

    return draw


def _rows(estimator: Estimator, group: RolloutGroup, states: pd.DataFrame) -> pd.DataFrame:
    positions: list[list[int]] = [[] for _ in range(group.size)]
    for state in states.itertuples():
        positions[state.sample].append(state.token_index)
    values = estimator.values(group, positions)
    value_of = {(i, t): float(v) for i, (ts, vs) in enumerate(zip(positions, values, strict=True)) for t, v in zip(ts, vs, strict=True)}
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


def _cross_fitted(estimator: Estimator, entries: Sequence[tuple[RolloutGroup, pd.DataFrame]], seed: int) -> Iterator[pd.DataFrame]:
    """Rows for an estimator that learns: no prompt is asked about by an estimator that saw it."""
    if len(entries) < 2:
        raise Refused(f"{estimator.name} is fitted on other prompts, and the build holds {len(entries)}")
    order = np.random.default_rng(derive_seed(seed, "folds")).permutation(len(entries))
    for held_out in np.array_split(order, min(FOLDS, len(entries))):
        fitted = estimator.fit([entries[k][0] for k in np.setdiff1d(order, held_out)])
        for k in held_out:
            yield _rows(fitted, *entries[k])
