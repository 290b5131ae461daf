"""Procedural sources for pretrained models of about a hundred million parameters, one for each domain that `arithmetic` leaves.

Such models answer hardly anything zero-shot, but they follow worked examples. So each problem carries the same few of them, questions
with their worked answers, in `meta["examples"]`; they are never asked themselves. A problem takes several steps, of which the model gets
some wrong, so its value moves along a rollout.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hista_repro.problems.arithmetic import DEFAULT_LIMIT
from hista_repro.problems.problem import Problem
from hista_repro.seeding import derive_seed

_ATTEMPTS = 1000
"""Draws without a new problem after which a source counts as exhausted."""


@dataclass(frozen=True)
class Task:
    """A question, its worked answer, and by what an answer is graded: `answer`, or `tests` where it is a program."""

    question: str
    worked: str
    answer: str | None = None
    tests: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class WorkedSource:
    """A procedural source whose problems are asked after `shown` worked examples."""

    name: str
    domain: str
    verifier: str
    draw: Callable[[random.Random], Task]
    shown: int = 8

    def examples(self) -> tuple[Task, ...]:
        """The worked examples, the same whatever the seed of the problems."""
        return tuple(islice(self._distinct(random.Random(derive_seed(0, self.name, "examples"))), self.shown))

    def problems(self, limit: int | None = None, seed: int = 0) -> list[Problem]:
        """The first `limit` distinct problems of the stream that `seed` starts, or all where there are fewer.

        A longer list begins with the shorter ones.
        """
        shown = self.examples()
        asked = {task.question for task in shown}
        examples = tuple((task.question, task.worked) for task in shown)
        stream = self._distinct(random.Random(derive_seed(seed, self.name)))
        new = (task for task in stream if task.question not in asked)
        return [self._problem(task, examples) for task in islice(new, limit or DEFAULT_LIMIT)]

    def _distinct(self, rng: random.Random) -> Iterator[Task]:
        seen: set[str] = set()
        fruitless = 0
        while fruitless < _ATTEMPTS:
            task = self.draw(rng)
            fruitless = fruitless + 1 if task.question in seen else 0
            if not fruitless:
                seen.add(task.question)
                yield task

    def _problem(self, task: Task, examples: tuple[tuple[str, str], ...]) -> Problem:
        return Problem(
            id=f"{self.name}:{task.question}",
            domain=self.domain,
            problem=task.question,
            answer=task.answer,
            verifier=self.verifier,
            tests=task.tests,
            source=self.name,
            license="Apache-2.0",
            meta={"style": "worked", "examples": examples},
        )


def _equation(rng: random.Random) -> Task:
    factor, solution, addend = rng.randint(2, 5), rng.randint(2, 9), rng.randint(1, 9)
    total = factor * solution + addend
    worked = f"{factor}x = {total} - {addend} = {total - addend}. x = {total - addend} / {factor} = {solution}. The answer is {solution}."
    return Task(f"Solve {factor}x + {addend} = {total} for x.", worked, str(solution))


def _atoms(rng: random.Random) -> Task:
    elements = ["C", "H", rng.choice("NOS")]
    counts = [rng.randint(2, 6), rng.randint(2, 9), rng.randint(2, 4)]
    parts = [f"{count} {element}" for count, element in zip(counts, elements, strict=True)]
    formula = "".join(f"{element}{count}" for element, count in zip(elements, counts, strict=True))
    first, total = sum(counts[:2]), sum(counts)
    worked = (
        f"{formula} has {', '.join(parts)}. {counts[0]} + {counts[1]} = {first}. {first} + {counts[2]} = {total}. The answer is {total}."
    )
    return Task(f"How many atoms are in one molecule of {formula}?", worked, str(total))


_NAMES = ("Ann", "Ben", "Carl", "Dan", "Eva", "Fred", "Greg", "Hans", "Ida", "Jack", "Kate", "Lisa")


def _order(rng: random.Random) -> Task:
    oldest, middle, youngest = rng.sample(_NAMES, 3)
    clues = [f"{oldest} is older than {middle}.", f"{middle} is older than {youngest}."]
    rng.shuffle(clues)
    asked, answer = rng.choice([("oldest", oldest), ("youngest", youngest)])
    worked = f"{' '.join(clues)} So {oldest} is the oldest, and {youngest} is the youngest. The answer is {answer}."
    return Task(f"{' '.join(clues)} Who is the {asked}?", worked, answer)


_KEPT = {
    "the even numbers": "n % 2 == 0",
    "the odd numbers": "n % 2 == 1",
    "the positive numbers": "n > 0",
    "the negative numbers": "n < 0",
}
_TRIALS = ([1, 2, 3, 4, 5], [-4, 7, 10, -1], [12, 6, -9, 3, 0, 8], [5, 11, -2], [])


def _function(rng: random.Random) -> Task:
    kept, condition = rng.choice(list(_KEPT.items()))
    number = rng.randint(2, 9)
    change, expression = rng.choice(
        [
            (f"adds {number} to each", f"n + {number}"),
            (f"subtracts {number} from each", f"n - {number}"),
            (f"multiplies each by {number}", f"n * {number}"),
            ("squares each", "n * n"),
        ]
    )
    result, call = rng.choice(
        [
            ("their sum", "sum(b)"),
            ("how many there are", "len(b)"),
            ("the largest, or 0", "max(b, default=0)"),
            ("them sorted", "sorted(b)"),
        ]
    )
    program = f"def f(a):\n    b = [n for n in a if {condition}]\n    b = [{expression} for n in b]\n    return {call}"
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    asserts = [f"assert f({trial}) == {namespace['f'](trial)!r}" for trial in _TRIALS]
    question = f"Write a function f(a) that keeps {kept} of the list a, {change}, and returns {result}."
    return Task(question, f"```python\n{program}\n```", tests={"kind": "assert", "setup": "", "asserts": asserts})


WORKED_SOURCES = {
    source.name: source
    for source in (
        WorkedSource("equations-worked", "math", "math", _equation),
        WorkedSource("atoms-worked", "science", "math", _atoms),
        WorkedSource("order-worked", "general", "exact", _order),
        WorkedSource("functions-worked", "programming", "code", _function),
    )
}
