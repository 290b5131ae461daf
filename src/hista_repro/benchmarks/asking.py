"""Asking a model the questions of one benchmark, in units of work that do not depend on each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hista_repro.benchmarks.table import Benchmark
from hista_repro.errors import Refused
from hista_repro.problems.grading import Outcome, extract_answer, grade_all
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.problem import Problem
from hista_repro.problems.prompting import render
from hista_repro.rollouts.engine import Completion, Engine, Request
from hista_repro.seeding import derive_seed

Sample = dict[str, Any]
"""A stored answer: `problem_id`, `sample` (its number), `text`, `answer` (extracted, or None), `outcome`, `tokens`, `finish_reason`."""
Asked = tuple[str, int]
"""The id of a question, and the number of the sample."""


@dataclass(frozen=True)
class Asking:
    """One benchmark, put to the model of one engine."""

    benchmark: Benchmark
    questions: Sequence[Problem]
    engine: Engine
    samples: int
    temperature: float
    max_tokens: int
    batch_tokens: int
    seed: int
    verifier: ModelVerifier | None = None

    def __post_init__(self) -> None:
        longest = max(map(len, self._prompts.values()))
        if self.engine.context is not None and longest + self.max_tokens > self.engine.context:
            raise Refused(
                f"max-tokens {self.max_tokens} and the longest prompt of {self.benchmark.name} ({longest} tokens) exceed the model's "
                f"context of {self.engine.context} tokens; give a smaller max-tokens"
            )
        if len(self._stops) > 1:
            raise Refused(f"{self.benchmark.name} mixes questions whose prompts end differently ({sorted(self._stops)}); ask them apart")

    def units(self) -> list[list[Asked]]:
        """All that is asked, in parts of one sampling batch each: prompts of like length together, as the engine would put them."""
        units: list[list[Asked]] = []
        asked = [(question.id, sample) for question in self.questions for sample in range(self.samples)]
        for request in sorted(asked, key=lambda request: len(self._prompts[request[0]])):
            columns = len(self._prompts[request[0]]) + self.max_tokens
            if units and columns * (len(units[-1]) + 1) <= self.batch_tokens:
                units[-1].append(request)
            else:
                units.append([request])
        return units

    def answers(self, unit: Sequence[Asked]) -> list[Sample]:
        """The answers to a unit, graded. Their random numbers depend on the unit and on the seed alone."""
        requests = [Request(self._prompts[name], self.max_tokens) for name, _ in unit]
        name, sample = unit[0]
        seed = derive_seed(self.seed, self.benchmark.name, name, sample)
        (stop,) = self._stops
        completions = self.engine.sample(requests, temperature=self.temperature, stop=stop, seed=seed)
        asked = [self._by_id[name] for name, _ in unit]
        outcomes = grade_all([(question, found.text) for question, found in zip(asked, completions, strict=True)], self.verifier)
        return [
            _sample(question, number, *found)
            for question, (_, number), found in zip(asked, unit, zip(completions, outcomes, strict=True), strict=True)
        ]

    @cached_property
    def _by_id(self) -> dict[str, Problem]:
        return {question.id: question for question in self.questions}

    @cached_property
    def _prompts(self) -> dict[str, tuple[int, ...]]:
        return {question.id: self.engine.encode(render(question, self.engine.tokenizer).text) for question in self.questions}

    @cached_property
    def _stops(self) -> set[tuple[str, ...]]:
        return {render(question, self.engine.tokenizer).stop for question in self.questions}


def _sample(question: Problem, number: int, completion: Completion, outcome: Outcome) -> Sample:
    return {
        "problem_id": question.id,
        "sample": number,
        "text": completion.text,
        "answer": extract_answer(question, completion.text),
        "outcome": outcome.value,
        "tokens": len(completion.token_ids),
        "finish_reason": completion.finish_reason,
    }
