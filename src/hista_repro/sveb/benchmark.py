"""A finished build as estimators see it: groups of rollouts, and the states whose values are asked for."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.rollouts.engine import Engine
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.sveb.build import make_engine
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import read_manifest, read_table


class Benchmark:
    """The build in `folder`; raises `Refused` where there is none. The model is loaded when its hidden states are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        self.config = BuildConfig.from_dict(manifest["config"])
        self.typical_length: int = manifest["typical_length"]
        problems = read_table(self.folder, "problems")
        self._prompts = {row.problem_id: row.prompt_token_ids.tolist() for row in problems.itertuples()}
        states = read_table(self.folder, "states").merge(read_table(self.folder, "references"), on="state_id", validate="one_to_one")
        self.states: dict[str, pd.DataFrame] = dict(list(states.groupby("problem_id", sort=False)))
        """Problem id -> its states, with their references."""

    def __len__(self) -> int:
        """The number of problems."""
        return len(self.states)

    @cached_property
    def groups(self) -> dict[str, RolloutGroup]:
        """Problem id -> the group that its states were cut from."""
        return dict(self._groups("rollouts"))

    @cached_property
    def other_rollouts(self) -> dict[str, RolloutGroup]:
        """Problem id -> further rollouts of the same prompt, those by which the problem was kept."""
        return dict(self._groups("screening"))

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.config)

    def _groups(self, table: str) -> Iterator[tuple[str, RolloutGroup]]:
        for name, rollouts in read_table(self.folder, table).groupby("problem_id", sort=False):
            if name not in self.states:
                continue
            prompt, completions = self._prompts[name], [tokens.tolist() for tokens in rollouts.token_ids]
            yield (
                name,
                RolloutGroup(
                    prompt_id=name,
                    completions=tuple(rollouts.text),
                    token_ends=tuple(ends.tolist() for ends in rollouts.token_ends),
                    rewards_G=torch.tensor(rollouts.reward.to_numpy()),
                    prompt_token_ids=prompt,
                    token_ids=tuple(completions),
                    hidden_of=self._hidden_reader(prompt, completions),
                    entropies_of=lambda p=prompt, c=completions: self.engine.entropies(p, c, self.config.temperature),
                    continue_from=_recorded_draws(self.states[name]) if table == "rollouts" else None,
                ),
            )

    def _hidden_reader(self, prompt: list[int], completions: list[list[int]]) -> Callable[[int], HiddenStates]:
        """Hidden states by layer, each read once."""
        layers: dict[int, HiddenStates] = {}

        def read(layer: int) -> HiddenStates:
            if layer not in layers:
                layers[layer] = self.engine.hidden_states(prompt, completions, layer)
            return layers[layer]

        return read


def _recorded_draws(states: pd.DataFrame) -> Callable[[int, int, int], Tensor]:
    """The continuations that the build kept apart from the references, as if drawn now."""
    draws: dict[tuple[int, int], np.ndarray] = {(row.sample, row.token_index): row.draws for row in states.itertuples()}

    def draw(sample: int, position: int, count: int) -> Tensor:
        recorded = draws[sample, position]
        if count > len(recorded):
            raise Refused(f"{count} extra draws per state are needed and the build holds {len(recorded)}; build with more draws")
        return torch.tensor(recorded[:count])

    return draw
