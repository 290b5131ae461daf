from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.sveb.units import MOST_TOKENS, TOKENS_OF_OTHERS, of_rollouts, of_states, sized
from small_build import SMALL

PROMPTS = st.lists(st.integers(1, 300), min_size=1, max_size=30)


@given(PROMPTS, st.integers(1, 50), st.integers(0, 9), st.integers(2, 400), st.integers(1, 9000))
def test_every_rollout_is_made_once_and_fits(lengths, count, first, max_tokens, batch_tokens):
    config = replace(SMALL, max_tokens=max_tokens, batch_tokens=batch_tokens)
    prompts = {f"p{number}": length for number, length in enumerate(lengths)}
    units = of_rollouts(config, list(prompts), prompts, count, first)
    made = [(name, sample) for unit in units for name in unit.names for sample in range(unit.first, unit.first + unit.count)]
    assert made == [(name, sample) for name in prompts for sample in range(first, first + count)]
    for unit in units:
        rows = len(unit.names) * unit.count
        assert rows == 1 or rows * (max(prompts[name] for name in unit.names) + max_tokens) <= batch_tokens


@given(PROMPTS, st.integers(1, 9), st.integers(2, 30), st.integers(1, 90_000))
def test_every_state_is_in_one_unit(lengths, each, references, batch_tokens):
    config = replace(SMALL, references=references, draws=0, batch_tokens=batch_tokens)
    prompts = {f"p{number}": length for number, length in enumerate(lengths)}
    problems = [name for name in prompts for _ in range(each)]
    units = of_states(config, problems, prompts)
    assert [number for unit in units for number in range(len(problems))[unit]] == list(range(len(problems)))
    for unit in units:
        rows = (unit.stop - unit.start) * references
        longest = max(prompts[name] for name in problems[unit])
        assert unit.stop - unit.start == 1 or rows * (longest + config.max_tokens) <= batch_tokens


def test_a_group_that_does_not_fit_is_spread_evenly():
    config = replace(SMALL, max_tokens=90, batch_tokens=1000)  # ten rows
    units = of_rollouts(config, ["a", "b"], {"a": 10, "b": 10}, 24)
    assert [(unit.names, unit.first, unit.count) for unit in units] == [((name,), first, 8) for name in "ab" for first in (0, 8, 16)]


@pytest.mark.parametrize(
    ("weights", "tokens"),
    [(800_000, MOST_TOKENS), (134_515_008, MOST_TOKENS), (630_000_000, 39_682), (7_600_000_000, 3289), (10**12, 2048)],
)
def test_a_batch_follows_from_the_size_of_the_model(weights, tokens, monkeypatch):
    monkeypatch.setattr("hista_repro.sveb.units.parameters_of", lambda config: weights)
    assert sized(replace(SMALL, batch_tokens=None)).batch_tokens == tokens
    assert sized(SMALL) == SMALL


def test_engines_that_make_their_own_batches_get_many_rows(monkeypatch):
    assert sized(replace(SMALL, batch_tokens=None, engine="served")).batch_tokens == TOKENS_OF_OTHERS
    monkeypatch.setattr("hista_repro.sveb.units.torch.cuda.is_available", lambda: True)
    assert sized(replace(SMALL, batch_tokens=None)).batch_tokens == MOST_TOKENS
