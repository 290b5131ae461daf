"""Making rollouts and continuations: what one worker of a build does, with an engine of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hista_repro.errors import Refused
from hista_repro.problems.grading import Outcome, grade_all
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.problem import Problem
from hista_repro.problems.prompting import render
from hista_repro.progress import Report, unheard
from hista_repro.rollouts.engine import Completion, Reader, Request
from hista_repro.rollouts.engines import make_engine, make_reader
from hista_repro.seeding import derive_seed
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.hidden_store import LAYER, to_rows
from hista_repro.sveb.records import Row
from hista_repro.sveb.units import Unit, sized


@dataclass(frozen=True)
class StateTokens:
    """A state to continue from."""

    state_id: str
    problem_id: str
    written: tuple[int, ...]
    """The completion's tokens up to the state."""


class HiddenReader:
    """Reads again what was sampled."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = sized(config)
        self.report: Report = unheard

    @cached_property
    def reader(self) -> Reader:
        config = self.config
        return make_reader(config.model, dtype=config.dtype, batch_tokens=config.batch_tokens)

    def hidden_rows(self, prompt: Sequence[int], first: int, completions: Sequence[Sequence[int]]) -> np.ndarray:
        """What `hidden_store` keeps of the rollouts `completions` of one prompt, from number `first` on."""
        hidden = self.reader.hidden_states(prompt, completions, LAYER)
        return to_rows([*([] if first else [hidden.prompt_T_D]), *hidden.completions])


class Sampler(HiddenReader):
    """Gives the rows of a unit of work. They depend on the unit and on the configuration alone, not on earlier units."""

    def __init__(self, config: BuildConfig, problems: Sequence[Problem]) -> None:
        super().__init__(config)
        config = self.config
        self.engine = make_engine(config.engine, config.model, dtype=config.dtype, batch_tokens=config.batch_tokens)
        if config.keep_hidden:
            _ = self.reader  # what cannot be read is refused before anything is sampled
        self.verifier = ModelVerifier(config.verifier) if config.verifier else None
        self.problems = {problem.id: problem for problem in problems}
        prompts = {problem.id: render(problem, self.engine.tokenizer) for problem in problems}
        self.texts = {name: prompt.text for name, prompt in prompts.items()}
        self.encoded = {name: self.engine.encode(text) for name, text in self.texts.items()}
        stops = {prompt.stop for prompt in prompts.values()}
        if len(stops) > 1:
            raise Refused(f"{config.problems} mixes problems whose prompts end differently ({sorted(stops)}); build them apart")
        self.stop = stops.pop()
        longest = max(map(len, self.encoded.values()))
        if self.engine.context is not None and longest + config.max_tokens > self.engine.context:
            raise Refused(
                f"max-tokens {config.max_tokens} and the longest prompt ({longest} tokens) exceed the model's context of "
                f"{self.engine.context} tokens"
            )

    @cached_property
    def reader(self) -> Reader:
        return self.engine if self.config.engine == "transformers" else super().reader

    def prompts(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Problem id -> text and token ids of its prompt."""
        return {name: (text, self.encoded[name]) for name, text in self.texts.items()}

    def roll_out(self, stage: str, unit: Unit, keep_hidden: bool) -> tuple[list[Row], dict[str, np.ndarray]]:
        """The rollouts of a unit; and for each of its problems, if they are to be kept, the hidden states that `hidden_store` keeps."""
        names, count = unit.names, unit.count
        requests = [Request(self.encoded[name], self.config.max_tokens) for name in names for _ in range(count)]
        completions = self._sample((stage, names[0], *([unit.first] if unit.first else [])), requests, keep_hidden)
        asked = [names[number // count] for number in range(len(requests))]
        rows = []
        for number, (name, completion, outcome) in enumerate(zip(asked, completions, self._grade(asked, completions), strict=True)):
            rows.append(
                {
                    "problem_id": name,
                    "sample": unit.first + number % count,
                    "token_ids": completion.token_ids,
                    "token_ends": completion.token_ends,
                    "text": completion.text,
                    "outcome": outcome.value,
                    "reward": float(outcome is Outcome.CORRECT),
                    "finish_reason": completion.finish_reason,
                }
            )
        mine = {name: completions[number * count : (number + 1) * count] for number, name in enumerate(names)}
        return rows, {name: self._hidden_rows(name, mine[name], unit.first) for name in names if keep_hidden}

    def _hidden_rows(self, name: str, completions: Sequence[Completion], first: int) -> np.ndarray:
        """Those of the pass that sampled, where the engine kept them."""
        kept = [completion.hidden_T_D for completion in completions]
        if any(hidden_T_D is None for hidden_T_D in kept):
            return self.hidden_rows(self.encoded[name], first, [completion.token_ids for completion in completions])
        prompt = [] if first else [self.reader.hidden_states(self.encoded[name], [], LAYER).prompt_T_D]
        return to_rows([*prompt, *(hidden_T_D.float() for hidden_T_D in kept)])

    def continue_from(self, states: Sequence[StateTokens]) -> list[Row]:
        """The reference value of each state, from continuations of it."""
        config = self.config
        each = config.references + config.draws
        asked = [state for state in states for _ in range(each)]
        requests = [Request(self.encoded[state.problem_id], config.max_tokens, state.written) for state in asked]
        completions = self._sample(("references", states[0].state_id), requests)
        graded = self._grade([state.problem_id for state in asked], completions)
        rows = []
        for number, state in enumerate(states):
            mine = completions[number * each : (number + 1) * each]
            outcomes = graded[number * each : (number + 1) * each]
            rewards = [float(outcome is Outcome.CORRECT) for outcome in outcomes]
            rows.append(
                {
                    "state_id": state.state_id,
                    "n": config.references,
                    "successes": int(sum(rewards[: config.references])),
                    "rewards": rewards[: config.references],
                    "draws": rewards[config.references :],
                    "unparsed": outcomes.count(Outcome.UNPARSED),
                    "timeouts": outcomes.count(Outcome.TIMEOUT),
                    "truncated": sum(completion.finish_reason == "length" for completion in mine),
                    "tokens": sum(len(completion.token_ids) - len(state.written) for completion in mine),
                }
            )
        return rows

    def _sample(self, unit: tuple, requests: Sequence[Request], keep_hidden: bool = False) -> list[Completion]:
        self.engine.report = self.report
        seed = derive_seed(self.config.seed, *unit)
        return self.engine.sample(requests, temperature=self.config.temperature, stop=self.stop, seed=seed, keep_hidden=keep_hidden)

    def _grade(self, names: Sequence[str], completions: Sequence[Completion]) -> list[Outcome]:
        return grade_all([(self.problems[name], c.text) for name, c in zip(names, completions, strict=True)], self.verifier)
