"""A finished build as estimators see it: groups of rollouts, and the states whose values are asked for."""

from collections.abc import Callable, Collection, Iterator
from copy import copy
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.rollouts.engine import Reader
from hista_repro.rollouts.engines import make_reader
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.hidden_memory import HiddenMemory
from hista_repro.sveb.hidden_store import LAYER, hidden_paths, read_hidden
from hista_repro.sveb.records import read_manifest, read_table


class Benchmark:
    """The build in `folder`; raises `Refused` where there is none. The model is loaded when its hidden states are first asked for.

    A build with an independent pool also holds what a build without needs: `independent_pool=False` reads it as if it had none, with
    the same states and references.
    """

    def __init__(self, folder: Path, *, independent_pool: bool | None = None) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        self.config = BuildConfig.from_dict(manifest["config"])
        self.independent_pool = self.config.independent_pool if independent_pool is None else independent_pool
        """Whether estimators see rollouts apart from those that states were cut from."""
        if self.independent_pool and not self.config.independent_pool:
            raise Refused(f"the build in {self.folder} has no independent pool; build one with independent-pool")
        self.typical_length: int = manifest["typical_length"]
        problems = read_table(self.folder, "problems")
        self._prompts = {row.problem_id: row.prompt_token_ids.tolist() for row in problems.itertuples()}
        states = read_table(self.folder, "states").merge(read_table(self.folder, "references"), on="state_id", validate="one_to_one")
        self.states: dict[str, pd.DataFrame] = dict(list(states.groupby("problem_id", sort=False)))
        """Problem id -> its states, with their references."""
        # what parts of a benchmark (`only`) share
        self._from_model, self._from_disk = HiddenMemory(), HiddenMemory(most_bytes=0)
        batch_tokens = manifest.get("batch_tokens", self.config.batch_tokens)  # earlier source kept it among the settings alone
        self._reader = cache(lambda: make_reader(self.config.model, dtype=self.config.dtype, batch_tokens=batch_tokens))

    def __len__(self) -> int:
        """The number of problems."""
        return len(self.states)

    def only(self, problems: Collection[str]) -> Self:
        """The same benchmark with these of its problems."""
        part = copy(self)
        part.states = {name: states for name, states in self.states.items() if name in problems}
        for name in ("groups", "cut_from", "other_rollouts"):
            if name in vars(self):
                vars(part)[name] = {problem: group for problem, group in vars(self)[name].items() if problem in problems}
        return part

    @cached_property
    def groups(self) -> dict[str, RolloutGroup]:
        """Problem id -> the rollouts that estimators see with their rewards: those that states were cut from, or the independent pool."""
        return dict(self._groups("pool" if self.independent_pool else "rollouts"))

    def asked(self, name: str) -> Iterator[tuple[RolloutGroup, pd.DataFrame]]:
        """The states of problem `name` as estimators are asked about them: a group, and states whose `sample` is a rollout of that group.

        With an independent pool each state has a group of its own, whose last rollout is the state and ends there. It has no outcome;
        the reward of 0 that stands in its place is nothing to look at.
        """
        if not self.independent_pool:
            yield self.groups[name], self.states[name]
            return
        for row in range(len(self.states[name])):
            state = self.states[name].iloc[[row]]
            yield _with_state(self.groups[name], self.cut_from[name], state), state.assign(sample=self.groups[name].size)

    @cached_property
    def cut_from(self) -> dict[str, RolloutGroup]:
        """Problem id -> the rollouts that its states were cut from."""
        return self.groups if not self.independent_pool else dict(self._groups("rollouts"))

    @cached_property
    def other_rollouts(self) -> dict[str, RolloutGroup]:
        """Problem id -> further rollouts of the same prompt, those by which the problem was kept."""
        return dict(self._groups("screening"))

    @property
    def reader(self) -> Reader:
        return self._reader()

    def _groups(self, table: str) -> Iterator[tuple[str, RolloutGroup]]:
        for number, (name, rollouts) in enumerate(read_table(self.folder, table).groupby("problem_id", sort=False)):
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
                    hidden_of=self._hidden_reader(prompt, completions, table, number),
                    entropies_of=cache(lambda p=prompt, c=completions: self.reader.entropies(p, c, self.config.temperature)),
                    score_powers_of=cache(lambda p=prompt, c=completions: self.reader.score_powers(p, c, self.config.temperature)),
                    continue_from=_recorded_draws(self.states[name]) if table == "rollouts" else None,
                ),
            )

    def _hidden_reader(self, prompt: list[int], completions: list[list[int]], table: str, number: int) -> Callable[[int], HiddenStates]:
        """Hidden states by layer: the last from the build's files where it has them, others read by the model."""

        def read(layer: int) -> HiddenStates:
            key = (table, number, layer)
            if layer == LAYER and (kept := hidden_paths(self.folder, table, number)):
                return self._from_disk.get(key, lambda: read_hidden(kept, len(prompt), list(map(len, completions))))
            return self._from_model.get(key, lambda: self.reader.hidden_states(prompt, completions, layer))

        return read


def _with_state(pool: RolloutGroup, cut_from: RolloutGroup, state: pd.DataFrame) -> RolloutGroup:
    """`pool` and, as a last rollout, what was written up to the only row of `state`, a state of `cut_from`."""
    (i,), (t,) = state["sample"], state["token_index"]

    def hidden_of(layer: int) -> HiddenStates:
        hidden = pool.hidden(layer)
        return HiddenStates(hidden.prompt_T_D, (*hidden.completions, cut_from.hidden(layer).completions[i][:t]))

    return replace(
        pool,
        completions=(*pool.completions, cut_from.prefix(i, t)),
        token_ends=(*pool.token_ends, cut_from.token_ends[i][:t]),
        rewards_G=torch.cat([pool.rewards_G, torch.zeros(1)]),
        token_ids=(*pool.token_ids, cut_from.token_ids[i][:t]),
        hidden_of=hidden_of,
        entropies_of=lambda: (*pool.entropies(), cut_from.entropies()[i][:t]),
        score_powers_of=lambda: (*pool.score_powers(), cut_from.score_powers()[i][:t]),
        continue_from=lambda _, position, count: cut_from.continue_from(i, position, count),
    )


def _recorded_draws(states: pd.DataFrame) -> Callable[[int, int, int], Tensor]:
    """The continuations that the build kept apart from the references, as if drawn now."""
    draws: dict[tuple[int, int], np.ndarray] = {(row.sample, row.token_index): row.draws for row in states.itertuples()}

    def draw(sample: int, position: int, count: int) -> Tensor:
        recorded = draws[sample, position]
        if count > len(recorded):
            raise Refused(f"{count} extra draws per state are needed and the build holds {len(recorded)}; build with more draws")
        return torch.tensor(recorded[:count])

    return draw
