"""A name becomes a list of problems: built-in procedural sources, JSON lines, and data sets of the hub."""

import random
from pathlib import Path

from hista_repro.errors import Refused
from hista_repro.problems.arithmetic import ARITHMETIC_SOURCES
from hista_repro.problems.gym import GYM_SOURCES
from hista_repro.problems.hub import HUB_SOURCES
from hista_repro.problems.problem import DOMAINS, Problem, read_jsonl
from hista_repro.problems.worked import WORKED_SOURCES
from hista_repro.seeding import derive_seed

BUILT_IN = {**ARITHMETIC_SOURCES, **WORKED_SOURCES, **GYM_SOURCES}
"""The procedural sources by name; they need no download."""


def load_problems(source: str, *, domain: str | None = None, limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of `source`: a built-in name, a `.jsonl` file, a folder of such files, or the id of a known data set of the hub.

    `domain` keeps one domain only. `limit` takes at most so many: of a built-in source the first ones that it generates under `seed`, of
    any other the first after a shuffle under `seed`. Without it, a file or data set is taken whole and in order.

    Raises `Refused` for a source that is not known or cannot be read, and where no problem is left.
    """
    if limit is not None and limit < 1:
        raise Refused(f"limit must be at least 1, not {limit}")
    if domain is not None and domain not in DOMAINS:
        raise Refused(f"domain {domain!r} is none of {', '.join(DOMAINS)}")
    if source in BUILT_IN:
        return _of_domain(BUILT_IN[source].problems(limit, seed), domain, source)
    problems = _of_domain(_read(source), domain, source)
    if limit is not None:
        random.Random(derive_seed(seed, "problems", source)).shuffle(problems)
    return problems[:limit]


def are_here(source: str) -> bool:
    """Whether the problems of `source` can be had without asking the hub."""
    if source in HUB_SOURCES:
        return HUB_SOURCES[source].is_local
    return source in BUILT_IN or Path(source).expanduser().exists()


def _read(source: str) -> list[Problem]:
    if source in HUB_SOURCES:
        return HUB_SOURCES[source].problems()
    path = Path(source).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".jsonl"):
        return read_jsonl(path)
    known = ", ".join([*BUILT_IN, *HUB_SOURCES])
    raise Refused(f"{source!r} is no known source of problems; name a .jsonl file, a folder of such files, or one of {known}")


def _of_domain(problems: list[Problem], domain: str | None, source: str) -> list[Problem]:
    kept = [problem for problem in problems if domain in (None, problem.domain)]
    if not kept:
        present = ", ".join(sorted({problem.domain for problem in problems}))
        raise Refused(f"{source} holds no problems of the domain {domain!r}, only of {present}")
    return kept
