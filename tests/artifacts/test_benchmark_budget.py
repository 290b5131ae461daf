"""What designs of a benchmark cost and how exact they are."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts import benchmark_budget as module
from hista_repro.artifacts.benchmark_budget import (
    COMPARED,
    DESIGNS,
    PAPER,
    Cost,
    Design,
    Variances,
    absolute_errors,
    cost_of,
    foretell,
    judge_continuations,
    judge_seen,
    measure_budget,
    readable_absolute,
    readable_designs,
    readable_foretold,
    readable_shares,
    shown_numbers,
    variances_of,
)
from hista_repro.artifacts.benchmark_budget_figure import plot_designs
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.sveb import record
from hista_repro.sveb.records import read_table
from hista_repro.sveb.statistics import mae, oracle_floor

PAIR = ("hista-loo", "loo-mean")


def drawn(measured, problems, states, n, seed=0):
    """A benchmark of values V = A + B, with A and B uniform on [.3, .7] and [-.2, .2], and estimates of .9 and .1: D = .8 - 1.6 r."""
    generator = np.random.default_rng(seed)
    values = generator.uniform(0.3, 0.7, problems)[:, None] + generator.uniform(-0.2, 0.2, (problems, states))
    references = (generator.binomial(n, values) / n).flatten()
    found = measured({PAIR[0]: np.full(references.size, 0.9), PAIR[1]: np.full(references.size, 0.1)}, references, states=states)
    return replace(found, scores=found.scores.assign(n=n), config={**found.config, "states": states, "references": n})


UNIFORM = 0.4**2 / 12
TRUE = np.array([UNIFORM, UNIFORM, 0.25 - 2 * UNIFORM]) * 1.6**2
"""var(A), var(B) and E[V(1 - V)], times the square of what D changes by with r."""


def test_the_parts_of_a_variance_are_found(measured):
    found = variances_of(drawn(measured, 4000, 4, 6), PAIR)
    assert found.parts == pytest.approx(TRUE, rel=0.1)
    low, high = np.quantile(found.draws, [0.001, 0.999], axis=0)
    assert ((low < TRUE) & (high > TRUE)).all()


def test_they_are_unbiased_with_few_states_and_continuations(measured, monkeypatch):
    monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(np, "maximum", lambda values, _: values)  # parts below 0 as they are
    found = [variances_of(drawn(measured, 30, 2, 2, seed), PAIR).parts for seed in range(200)]
    assert np.mean(found, axis=0) == pytest.approx(TRUE, abs=3 * np.std(found, axis=0).max() / np.sqrt(200))


def test_a_variance_worked_by_hand(measured):
    # D = .8 - 1.6 r is -.16, .16 | .16, .48; r(1 - r) is .24, .24 | .24, .16 with n = 20
    found = variances_of(measured({PAIR[0]: [0.9] * 4, PAIR[1]: [0.1] * 4}, [0.6, 0.4, 0.4, 0.2]), PAIR)
    single = 1.6**2 * (0.24 * 3 + 0.16) / 4 * 20 / 19
    within = (2 * 0.16**2 * 2 - single / 20 * 4 / 2) / 2
    between = max(0.32**2 / 2 - within / 2 - single / 20 / 2, 0)
    assert found.parts == pytest.approx([between, within, single])


def test_shares_errors_and_costs_by_hand():
    found = Variances(PAIR, np.array([1.0, 10.0, 200.0]), np.tile([1.0, 10.0, 200.0], (50, 1)), 40)
    assert [share.estimate for share in found.shares(PAPER).values()] == pytest.approx([0.2, 0.4, 0.4])
    assert found.standard_error(PAPER, 20).estimate == pytest.approx(0.5)
    cost = Cost(problem=900, continuation=10)
    assert (cost.of(PAPER), cost.of(Design(10, 1))) == (1900, 1000)
    # var 1 + 1 + 20 at 1000 tokens against 5 at 1900
    assert found.relative_error(Design(10, 1), PAPER, cost).estimate == pytest.approx(np.sqrt(22 / 5 * 1000 / 1900))
    assert found.relative_error(PAPER, PAPER, cost).estimate == 1


def test_one_state_of_each_problem_shows_too_little(measured):
    with pytest.raises(Refused, match="has one state of each problem"):
        variances_of(drawn(measured, 5, 1, 4), PAIR)


@pytest.mark.parametrize("states", [1, 12])
def test_a_design_is_as_foretold(measured, states):
    here, there = drawn(measured, 1500, 4, 20), drawn(measured, 1500, states, 3, seed=1)
    cost = Cost(100, 1)
    check = foretell(here, there, PAIR, cost)
    assert check.design == Design(states, 3)
    assert check.expected.estimate == pytest.approx(np.sqrt((TRUE / [1, states, 3 * states]).sum() / 1500), rel=0.05)
    assert check.ratio.low < 1 < check.ratio.high and check.ratio.estimate == pytest.approx(1, abs=0.06)
    assert check.seen.estimate == pytest.approx(check.expected.estimate * check.ratio.estimate)
    relative = variances_of(here, PAIR).relative_error(check.design, PAPER, cost)
    assert check.relative.estimate == pytest.approx(relative.estimate * check.ratio.estimate)


def test_what_is_seen_is_of_the_same_problems(measured):
    with pytest.raises(ValueError, match="its problems are not those of"):
        foretell(drawn(measured, 6, 2, 4), drawn(measured, 7, 2, 4), PAIR, Cost(1, 1))


def test_fewer_continuations_are_any_of_those_there_are(measured):
    generator, n = np.random.default_rng(0), 6
    references = generator.integers(0, n + 1, 12) / n
    estimates = {name: generator.uniform(size=12) for name in module._SHOWN}
    found = measured(estimates, references)
    found = replace(found, scores=found.scores.assign(n=n))
    table = absolute_errors(found).set_index("n")
    assert list(table.index) == [2, 5, 6]
    assert [table.loc[6, name] for name in estimates] == pytest.approx([mae(values, references) for values in estimates.values()])
    assert table.loc[6, "floor"] == pytest.approx(oracle_floor(references * n, n))
    rewards = [[1] * round(r * n) + [0] * (n - round(r * n)) for r in references]
    by_choice = [[np.mean(chosen) for chosen in combinations(row, 2)] for row in rewards]
    for name, values in estimates.items():
        assert table.loc[2, name] == pytest.approx(np.abs(values[:, None] - by_choice).mean())
    assert (table["diff"] - (table[PAIR[0]] - table[PAIR[1]])).abs().max() < 1e-12
    assert (table["diff_low"] <= table["diff"]).all() and (table["diff"] <= table["diff_high"]).all()


def test_the_cost_of_a_build_is_what_it_wrote(small_build):
    folder = record(small_build)
    problems, references = read_table(folder, "problems"), read_table(folder, "references")
    written = sum(map(len, pd.concat([read_table(folder, name)["token_ids"] for name in ("screening", "rollouts")])))
    each = references["n"] + references["draws"].map(len)
    cost = cost_of(small_build, problems["domain"].iloc[0])
    assert cost.problem == pytest.approx(written / problems["kept"].sum())
    assert cost.continuation == pytest.approx(references["tokens"].sum() / each.sum())


def test_the_page_on_a_build(small_build):
    measurements, other = measure_budget([small_build], {"states": 4, "references": 2, "draws": 0})
    assert (other.config["states"], other.config["references"], other.config["seed"]) == (4, 2, small_build["seed"])
    variances = [variances_of(measurements[0], pair) for pair in COMPARED]
    cost, absolute = cost_of(small_build, "number"), absolute_errors(measurements[0])
    checks = [foretell(measurements[0], other, pair, cost) for pair in COMPARED]
    assert len(readable_shares(measurements[0], variances).frame) == len(readable_foretold(other, checks).frame) == len(COMPARED)
    assert readable_designs(measurements[0], variances, cost).frame["states × continuations"].tolist() == [d.label for d in DESIGNS]
    assert readable_absolute(measurements[0], absolute).frame["continuations"].iloc[-1] == str(small_build["references"])
    assert shown_numbers(variances[0], cost, checks[0], absolute)["design"] == "4 × 2"
    assert [finding.word for finding in judge_seen(measurements[0], checks)] == [Word.UNDECIDED] * len(COMPARED)
    figure = plot_designs({measurements[0].name: (variances[0], cost)}, checks[0])
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["5 × 20, the paper’s", "4 × 2, seen"]


@pytest.mark.parametrize("redesign", [{}, {"states": 4}, {"states": 4, "references": 2, "seed": 1}])
def test_a_redesign_changes_nothing_but_states_and_continuations(small_build, redesign):
    with pytest.raises(Refused, match="redesign holds states, references and"):
        measure_budget([small_build], redesign)


def test_the_first_build_is_of_one_domain(small_build, measured, monkeypatch):
    both = [measured({"hista": [0.5] * 4}, [0.5] * 4, domain=domain) for domain in ("number", "science")]
    monkeypatch.setattr(module, "measure", lambda *_: both)
    with pytest.raises(Refused, match="are of 2 domains"):
        measure_budget([small_build], {"states": 4, "references": 2})


@pytest.mark.parametrize(
    ("parts", "cost", "words"),
    [
        ((1, 10, 10), Cost(2000, 20), "agrees disagrees"),
        ((1, 10, 4000), Cost(2000, 20), "disagrees agrees"),
        ((1, 0, 0), Cost(2000, 0), "undecided undecided"),
    ],
)
def test_continuations_are_worth_what_they_tell(measured, parts, cost, words):
    """Fewer of them where they are little of the variance, more where they are most of it, either where they are nothing."""
    draws = np.array(parts) * np.random.default_rng(0).uniform(0.9, 1.1, (50, 3))
    found = judge_continuations(measured({}, []), [Variances(PAIR, np.array(parts, dtype=float), draws, 40)], cost)
    assert [finding.word for finding in found] == [Word(word) for word in words.split()]
