"""What states that a build did not cut are worth, from continuations that are drawn for a page."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from hista_repro.problems import load_problems
from hista_repro.problems.problem import Problem
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.sampler import Sampler, StateTokens


def drawn_values(benchmark: Benchmark, problem: str, states: Sequence[tuple[int, int]], continuations: int) -> pd.DataFrame:
    """One row per state (rollout, tokens) of `problem`: how many of its `continuations` succeed, as `successes`."""
    group = benchmark.groups[problem]
    sampler = Sampler(replace(benchmark.config, references=continuations, draws=0), [question(benchmark, problem)])
    asked = [StateTokens(f"token-{i}-{t}", problem, tuple(group.token_ids[i][:t])) for i, t in states]
    return pd.DataFrame({"successes": [row["successes"] for row in sampler.continue_from(asked)]})


def question(benchmark: Benchmark, problem: str) -> Problem:
    """The problem of this id."""
    config = benchmark.config
    (found,) = (p for p in load_problems(config.problems, domain=config.domain, limit=config.limit, seed=config.seed) if p.id == problem)
    return found
