"""Two procedural sources of arithmetic problems, each with the worked answers that teach a model how to solve them.

`arithmetic-steps` is the language of the bundled model `tiny`: chains of additions and subtractions in bare characters, such as
"2-9-3+25?", answered by "2-9=-7;-7-3=-10;-10+25=15A:15". The recipe of `tiny` trains on the same generator under other seeds.

`arithmetic-worked` is for pretrained models of about a hundred million parameters, which cannot add zero-shot: sums of one-digit numbers
in words, to be asked after the worked examples of `WORKED_EXAMPLES`.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from hista_repro.problems.problem import Problem
from hista_repro.seeding import derive_seed

STEPS_TERMS = (8, 9, 10)
"""Numbers of terms of an `arithmetic-steps` problem, equally likely."""
STEPS_LARGEST = 20
"""Terms of an `arithmetic-steps` problem are drawn from 1 to this."""
WORKED_EXAMPLES = ((9, 2, 3), (4, 7, 5), (8, 8, 1), (3, 5, 9), (6, 2, 7), (1, 9, 4), (7, 6, 6), (5, 3, 8))
"""The sums that a worked prompt shows with their answers; never asked as problems."""
DEFAULT_LIMIT = 1000
"""How many problems a source gives where no limit is asked for, if it has so many."""


def signed_sum(terms: Sequence[int]) -> str:
    """Signed `terms` as a sum without spaces, such as "2-9-3+25" for (2, -9, -3, 25)."""
    return f"{terms[0]}" + "".join(f"{term:+d}" for term in terms[1:])


def steps_question(terms: Sequence[int]) -> str:
    return f"{signed_sum(terms)}?"


def steps_answer(terms: Sequence[int]) -> str:
    """The worked answer to `steps_question(terms)`, such as "2-9=-7;-7-3=-10;-10+25=15A:15"."""
    total, steps = terms[0], []
    for term in terms[1:]:
        steps.append(f"{total}{term:+d}={total + term}")
        total += term
    return ";".join(steps) + f"A:{total}"


def draw_steps(rng: random.Random, counts: Sequence[int] = STEPS_TERMS) -> tuple[int, ...]:
    """Signed terms of one `arithmetic-steps` problem, as many as one of `counts`; the first is positive."""
    count = rng.choice(counts)
    sizes = [rng.randint(1, STEPS_LARGEST) for _ in range(count)]
    return (sizes[0], *(size * rng.choice((-1, 1)) for size in sizes[1:]))


def worked_question(terms: Sequence[int]) -> str:
    return f"What is {' + '.join(map(str, terms))}?"


def worked_answer(terms: Sequence[int]) -> str:
    """The worked answer to `worked_question(terms)`, such as "9 + 2 = 11. 11 + 3 = 14. The answer is 14."."""
    total, sentences = terms[0], []
    for term in terms[1:]:
        sentences.append(f"{total} + {term} = {total + term}.")
        total += term
    return " ".join([*sentences, f"The answer is {total}."])


def draw_worked(rng: random.Random) -> tuple[int, ...]:
    """Three terms from 1 to 9: 729 problems, of which the worked examples are never asked."""
    while (terms := tuple(rng.randint(1, 9) for _ in range(3))) in WORKED_EXAMPLES:
        pass
    return terms


@dataclass(frozen=True)
class ArithmeticSource:
    """A procedural source: how problems are drawn and put, and how many distinct ones there are."""

    name: str
    style: str
    """The prompt style, kept in `meta["style"]`; see `hista_repro.problems.prompting`."""
    draw: Callable[[random.Random], tuple[int, ...]]
    question: Callable[[Sequence[int]], str]
    distinct: int
    domain: str = "number"

    def problems(self, limit: int | None = None, seed: int = 0) -> list[Problem]:
        """The first `limit` distinct problems of the stream that `seed` starts, or all where there are fewer.

        A longer list begins with the shorter ones.
        """
        return list(islice(self._stream(seed), min(limit or DEFAULT_LIMIT, self.distinct)))

    def _stream(self, seed: int) -> Iterator[Problem]:
        rng = random.Random(derive_seed(seed, self.name))
        seen = set()
        while True:
            terms = self.draw(rng)
            if terms in seen:
                continue
            seen.add(terms)
            yield Problem(
                id=f"{self.name}:{signed_sum(terms)}",
                domain=self.domain,
                problem=self.question(terms),
                answer=str(sum(terms)),
                verifier="exact",
                source=self.name,
                license="Apache-2.0",
                meta={"style": self.style},
            )


_STEPS_DISTINCT = sum((2 * STEPS_LARGEST) ** count // 2 for count in STEPS_TERMS)
_WORKED_DISTINCT = 9**3 - len(WORKED_EXAMPLES)

ARITHMETIC_SOURCES = {
    source.name: source
    for source in (
        ArithmeticSource("arithmetic-steps", "steps", draw_steps, steps_question, _STEPS_DISTINCT),
        ArithmeticSource("arithmetic-worked", "worked", draw_worked, worked_question, _WORKED_DISTINCT),
    )
}
