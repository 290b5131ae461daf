"""Tasks of the package reasoning-gym as procedural sources, for models that can answer without worked examples.

Only tasks whose answer is unique are here, since answers are compared with the one that the package gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hista_repro.errors import Refused
from hista_repro.problems.arithmetic import DEFAULT_LIMIT
from hista_repro.problems.problem import Problem
from hista_repro.seeding import derive_seed

_BLOCK = 256
"""Entries that are drawn under one seed of the package."""
_BLOCKS_WITHOUT_NEWS = 4


@dataclass(frozen=True)
class GymSource:
    """The task `task` of reasoning-gym under its default settings."""

    task: str
    domain: str
    verifier: str

    @property
    def name(self) -> str:
        return f"reasoning-gym/{self.task}"

    def problems(self, limit: int | None = None, seed: int = 0) -> list[Problem]:
        """The first `limit` distinct problems of the stream that `seed` starts, or all where there are fewer.

        Raises `Refused` where reasoning-gym is not installed.
        """
        return list(islice(self._stream(seed), limit or DEFAULT_LIMIT))

    def _stream(self, seed: int) -> Iterator[Problem]:
        try:
            import reasoning_gym
        except ImportError:
            raise Refused(f"{self.name} is made by the package reasoning-gym: pip install reasoning-gym") from None
        seen: set[str] = set()
        block = fruitless = 0
        while fruitless < _BLOCKS_WITHOUT_NEWS:
            before = len(seen)
            package_seed = derive_seed(seed, self.name, block) % 2**31
            for entry in reasoning_gym.create_dataset(self.task, seed=package_seed, size=_BLOCK):
                question = entry["question"].strip()
                if question not in seen:
                    seen.add(question)
                    yield self._problem(question, str(entry["answer"]))
            fruitless = fruitless + 1 if len(seen) == before else 0
            block += 1

    def _problem(self, question: str, answer: str) -> Problem:
        return Problem(
            id=f"{self.name}:{question}",
            domain=self.domain,
            problem=question,
            answer=answer,
            verifier=self.verifier,
            source=self.name,
            license="Apache-2.0",
        )


GYM_SOURCES = {
    source.name: source
    for source in (
        GymSource("chain_sum", "number", "math"),
        GymSource("basic_arithmetic", "number", "math"),
        GymSource("gcd", "math", "math"),
        GymSource("lcm", "math", "math"),
        GymSource("simple_equations", "math", "math"),
        GymSource("fraction_simplification", "math", "math"),
        GymSource("leg_counting", "general", "math"),
        GymSource("letter_counting", "general", "math"),
        GymSource("calendar_arithmetic", "general", "exact"),
        GymSource("family_relationships", "general", "exact"),
        GymSource("syllogism", "general", "exact"),
    )
}
