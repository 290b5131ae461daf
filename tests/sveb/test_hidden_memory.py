from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.rollouts.group import HiddenStates
from hista_repro.sveb import build, score
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.hidden_memory import HiddenMemory
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
    estimators = ["hista-loo", "last-token-knn-loo", "probe-loo"]
    expected = score(tmp_path, estimators)
    monkeypatch.setattr(Benchmark, "_hidden_memory", HiddenMemory(0))
    assert score(tmp_path, estimators).equals(expected)
