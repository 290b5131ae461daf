from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.estimators import get_estimator
from hista_repro.rollouts.group import HiddenStates
from hista_repro.sveb import build, hidden_memory
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.hidden_memory import HiddenMemory
from hista_repro.sveb.score import evaluate
from small_build import KEEPS_EVERY_PROBLEM


def states(rows: int) -> HiddenStates:
    """Of `rows` times 16 bytes."""
    return HiddenStates(torch.zeros(1, 4), (torch.zeros(rows - 1, 4),))


def test_what_fits_is_read_once_and_of_the_others_the_latest_are_known():
    memory, read = HiddenMemory(3 * 16), []

    def ask(key, rows=1):
        return memory.get(key, lambda: read.append(key) or states(rows))

    first = ask("a", rows=2)
    assert ask("a") is first
    for key in "bcdefg":  # "b" fits; of the others four are known
        ask(key)
    for key in "abdefg":
        ask(key)
    assert read == [*"abcdefg"]
    ask("c")
    assert read == [*"abcdefgc"]


def test_what_does_not_fit_leaves_room_for_what_does():
    memory = HiddenMemory(2 * 16)
    memory.get("large", lambda: states(5))
    small = memory.get("small", lambda: states(2))
    for key in range(9):
        memory.get(key, lambda: states(1))
    assert memory.get("small", pytest.fail) is small


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=60), st.integers(0, 20))
def test_it_gives_what_was_read_and_keeps_no_more_than_it_may(asked, rows):
    memory, sizes = HiddenMemory(rows * 16), {}
    for key, size in asked:
        size = sizes.setdefault(key, size)
        hidden = memory.get(key, lambda size=size: states(size))
        assert len(hidden.completions[0]) == size - 1
    kept = memory._kept.values()
    assert sum(len(hidden.completions[0]) + 1 for hidden in kept) <= rows
    assert len(memory._latest) <= 4


def test_scores_do_not_depend_on_what_is_remembered(tmp_path, monkeypatch):
    build(replace(KEEPS_EVERY_PROBLEM, limit=3), tmp_path)
    estimators = [get_estimator(name) for name in ("hista-loo", "probe-loo")]
    scores, reads = [], []
    for most_bytes, latest in ((1 << 30, 4), (0, 1)):
        monkeypatch.setattr(hidden_memory, "_LATEST", latest)
        benchmark, passes = Benchmark(tmp_path), []
        benchmark._from_model = HiddenMemory(most_bytes)
        hidden_states = benchmark.reader.hidden_states
        monkeypatch.setattr(
            benchmark.reader, "hidden_states", lambda *asked, of=hidden_states, passes=passes: passes.append(1) or of(*asked)
        )
        scores.append(evaluate(benchmark, estimators))
        reads.append(len(passes))
    assert scores[0].equals(scores[1])
    assert reads[0] == 3 < reads[1]


def test_parts_of_a_benchmark_share_model_and_memory(tmp_path):
    build(replace(KEEPS_EVERY_PROBLEM, limit=2, references=2, draws=0), tmp_path)
    benchmark = Benchmark(tmp_path)
    name = next(iter(benchmark.states))
    part = benchmark.only([name])
    assert part.groups[name].hidden(-1) is benchmark.groups[name].hidden(-1)
    assert part.reader is benchmark.reader
