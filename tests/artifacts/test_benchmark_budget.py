"""What designs of a benchmark cost and how exact they are."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts import benchmark_budget as module
from hista_repro.artifacts.benchmark_budget import (
    COMPARED,
    ESTIMATORS,
    FEWER,
    MARGIN,
    MORE,
    PAPER,
    Cost,
    Design,
    Foretold,
    Variances,
    absolute_errors,
    cost_of,
    foretell,
    judge_continuations,
    judge_foretold,
    measure_budget,
    readable_absolute,
    readable_designs,
    readable_foretold,
    readable_shares,
    shown_numbers,
    variances_of,
)
from hista_repro.artifacts.benchmark_budget_figure import plot_designs
from hista_repro.artifacts.measurements import REPEATS
from hista_repro.artifacts.verdicts import Interval, Word
from hista_repro.errors import Refused
from hista_repro.sveb import record
from hista_repro.sveb.records import read_table
from hista_repro.sveb.statistics import mae, oracle_floor

PAIR = ("hista-loo", "loo-mean")
FAR = {"hista-loo": 0.9, "loo-mean": 0.1}
"""Estimates with which the difference of squared errors is D = .8 - 1.6 r."""
UNIFORM = 0.4**2 / 12
TRUE = np.array([UNIFORM, UNIFORM, 0.25 - 2 * UNIFORM]) * 1.6**2
"""var(A), var(B) and E[V(1 - V)] of `drawn`, times the square of what D changes by with r."""


def benchmark_of(measured, references, n, states, estimates=FAR):
    """A benchmark with these references, in the order of problems, and estimates that are the same everywhere."""
    estimates = {"numca-loo": 0.1, **estimates}
    found = measured({name: np.full(references.size, value) for name, value in estimates.items()}, references.flatten(), states=states)
    config = {**found.config, "states": states, "references": n, "group_size": 40}
    return replace(found, scores=found.scores.assign(n=n), config=config)


def drawn(measured, problems, states, n, seed=0):
    """A benchmark of values V = A + B, with A and B uniform on [.3, .7] and [-.2, .2]."""
    generator = np.random.default_rng(seed)
    values = generator.uniform(0.3, 0.7, problems)[:, None] + generator.uniform(-0.2, 0.2, (problems, states))
    return benchmark_of(measured, generator.binomial(n, values) / n, n, states)


def made_up(parts, spread=0.1):
    draws = np.array(parts) * np.random.default_rng(0).uniform(1 - spread, 1 + spread, (REPEATS, 3))
    return Variances(PAIR, np.array(parts, dtype=float), draws, 40, 40)


def costing(problem, continuation):
    """Such a cost, the same in every draw."""
    return Cost(problem, continuation, np.tile([float(problem), continuation], (REPEATS, 1)))


def assert_around_the_truth(variances):
    low, high = np.quantile(variances.draws, [0.001, 0.999], axis=0)
    assert ((low < TRUE) & (high > TRUE)).all() and (high - low < TRUE).all()


def test_the_parts_of_a_variance_are_found(measured):
    found = variances_of(drawn(measured, 4000, 4, 6))[0]
    assert found.pair == PAIR and found.parts == pytest.approx(TRUE, rel=0.1)
    assert_around_the_truth(found)


def test_they_are_unbiased_with_few_states_and_continuations(measured, monkeypatch):
    monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(np, "maximum", lambda values, _: values)  # parts below 0 as they are
    found = [variances_of(drawn(measured, 100, 2, 2, seed))[0].parts for seed in range(300)]
    errors = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - TRUE) < 3 * errors).all() and (errors < 0.1 * TRUE).all()


def test_problems_with_more_states_may_vary_more(measured):
    """Half of the problems have two states of small variance, half eight of a large one; values of 1 with n = 20 have no noise."""
    generator, problems = np.random.default_rng(0), 4000
    base = generator.uniform(0.4, 0.6, problems)
    found = drawn(measured, problems, 8, 20)
    few = np.arange(problems) % 2 == 0
    spread = np.where(few, 0.05, 0.2)
    references = base[:, None] + generator.choice([-1, 1], (problems, 8)) * spread[:, None]
    scores = found.scores.assign(n=10**9, reference=np.tile(references.flatten(), 3))
    number = scores.groupby(["estimator", "problem_id"]).cumcount()
    kept = scores[(number < 2) | ~scores["problem_id"].str[1:].astype(int).mod(2).eq(0)]
    problems_part, within, _ = variances_of(replace(found, scores=kept))[0].parts
    assert problems_part == pytest.approx(1.6**2 * 0.2**2 / 12, rel=0.2)
    assert within == pytest.approx(1.6**2 * (0.05**2 + 0.2**2) / 2, rel=0.05)


def test_a_problem_of_one_state_takes_the_others_for_its_own(measured):
    found = drawn(measured, 3000, 3, 6)
    alone = found.scores["problem_id"].str[1:].astype(int).mod(3).eq(0)
    kept = found.scores[~alone | (found.scores.groupby(["estimator", "problem_id"]).cumcount() == 0)]
    assert_around_the_truth(variances_of(replace(found, scores=kept))[0])


def test_a_variance_worked_by_hand(measured):
    # D = .8 - 1.6 r is -.16, .16 | .16, .48; r(1 - r) is .24, .24 | .24, .16 with n = 20
    found = variances_of(benchmark_of(measured, np.array([[0.6, 0.4], [0.4, 0.2]]), 20, 2))[0]
    single = 1.6**2 * (0.24 * 3 + 0.16) / 4 * 20 / 19
    within = 2 * 0.16**2 - single / 20
    between = max(0.32**2 / 2 - within / 2 - single / 20 / 2, 0)
    assert found.parts == pytest.approx([between, within, single])


def test_shares_errors_and_costs_by_hand():
    found = made_up([1, 10, 200])
    assert [share.estimate for share in found.shares(PAPER).values()] == pytest.approx([0.2, 0.4, 0.4])
    cost = costing(problem=900, continuation=10)
    assert (cost.of(PAPER), cost.of(Design(10, 1))) == (1900, 1000)
    # variances of 1 + 1 + 20 at 1000 tokens and of 1 + 2 + 2 at 1900
    assert found.relative_error(Design(10, 1), cost).estimate == pytest.approx(np.sqrt(22 / 5 * 1000 / 1900))
    assert found.relative_error(PAPER, cost).estimate == 1


def test_one_state_of_each_problem_shows_too_little(measured):
    with pytest.raises(Refused, match="has one state of each problem"):
        variances_of(drawn(measured, 5, 1, 4))


def test_estimators_that_say_the_same_are_left_out(measured):
    references = np.array([[0.6, 0.4], [0.4, 0.2]])
    same = benchmark_of(measured, references, 20, 2, {**FAR, "numca-loo": 0.1})
    assert [v.pair for v in variances_of(same)] == [COMPARED[0], COMPARED[2]]
    with pytest.raises(Refused, match="hista-loo and loo-mean give equal values"):
        variances_of(benchmark_of(measured, references, 20, 2, {"hista-loo": 0.1, "loo-mean": 0.1}))


def test_resamples_without_any_difference_are_no_draws(measured):
    """Only one problem of ten shows a difference, so a third of the resamples hold none."""
    found = benchmark_of(measured, np.tile([[0.6, 0.4]], (10, 1)), 20, 2)
    equal = found.scores["problem_id"].ne("p003")
    scores = found.scores.assign(estimate=found.scores["estimate"].where(~equal, 0.5))
    shares = variances_of(replace(found, scores=scores))[0].shares(PAPER)
    assert all(np.isfinite([share.low, share.high]).all() for share in shares.values())


@pytest.mark.parametrize("states", [2, 12])
def test_a_design_is_as_foretold(measured, states):
    here, there = drawn(measured, 1500, 4, 20), drawn(measured, 1500, states, 3, seed=1)
    variances, cost = variances_of(here)[0], costing(100, 1)
    check = foretell(here, there, variances, cost)
    assert check.design == Design(states, 3)
    assert check.expected.estimate == pytest.approx(np.sqrt((TRUE / [1, states, 3 * states]).sum() / 1500), rel=0.05)
    assert check.ratio.low < 1 < check.ratio.high and check.ratio.estimate == pytest.approx(1, abs=0.06)
    assert check.seen.estimate == pytest.approx(check.expected.estimate * check.ratio.estimate)
    assert check.relative.estimate == pytest.approx(variances.relative_error(check.design, cost).estimate * check.ratio.estimate)


def test_what_is_seen_is_of_the_same_problems_and_in_the_design_that_was_asked_for(measured):
    here = drawn(measured, 6, 2, 4)
    variances = variances_of(here)[0]
    with pytest.raises(Refused, match="kept other problems"):
        foretell(here, drawn(measured, 7, 2, 4), variances, costing(1, 1))
    fewer = drawn(measured, 6, 3, 4)
    with pytest.raises(Refused, match="has problems with fewer than 4 states"):
        foretell(here, replace(fewer, config={**fewer.config, "states": 4}), variances, costing(1, 1))


def test_fewer_continuations_are_any_of_those_there_are(measured):
    generator, n = np.random.default_rng(0), 7
    references = generator.integers(0, n + 1, 12) / n
    estimates = {name: generator.uniform(size=12) for name in ESTIMATORS}
    found = measured(estimates, references)
    found = replace(found, scores=found.scores.assign(n=n))
    table = absolute_errors(found).set_index("n")
    assert list(table.index) == [5, 7]
    assert [table.loc[7, name] for name in estimates] == pytest.approx([mae(values, references) for values in estimates.values()])
    assert table.loc[7, "floor"] == pytest.approx(oracle_floor(references * n, n))
    rewards = [[1] * round(r * n) + [0] * (n - round(r * n)) for r in references]
    by_choice = [[np.mean(chosen) for chosen in combinations(row, 5)] for row in rewards]
    for name, values in estimates.items():
        assert table.loc[5, name] == pytest.approx(np.abs(values[:, None] - by_choice).mean())
    assert (table["diff"] - (table[PAIR[0]] - table[PAIR[1]])).abs().max() < 1e-12
    assert (table["diff_low"] <= table["diff"]).all() and (table["diff"] <= table["diff_high"]).all()


@pytest.mark.parametrize("independent_pool", [False, True])
def test_the_cost_of_a_build_is_what_it_wrote(small_build, independent_pool):
    build = {**small_build, "independent_pool": independent_pool}
    (measurement,) = module.measure([build], ESTIMATORS)
    folder = record(build)
    tables = ["screening", "rollouts", *["pool"] * independent_pool]
    written = sum(map(len, pd.concat([read_table(folder, name)["token_ids"] for name in tables])))
    references = read_table(folder, "references")
    cost = cost_of(measurement)
    assert cost.problem == pytest.approx(written / read_table(folder, "problems")["kept"].sum())
    assert cost.continuation == pytest.approx(references["tokens"].sum() / (references["n"] + references["draws"].map(len)).sum())
    low, high = np.nanquantile(cost.draws, [0.1, 0.9], axis=0)
    assert (low < [cost.problem, cost.continuation]).all() and (high > [cost.problem, cost.continuation]).all()


def test_intervals_know_that_costs_and_the_share_of_kept_problems_were_sampled(measured, monkeypatch):
    """A kept problem has 80 to 120 tokens and states of 1 to 3 for a continuation, another has 50; four of five are kept."""
    generator, truth = np.random.default_rng(0), costing(100 + 50 * 0.2 / 0.8, 2)
    covered = []
    for _ in range(200):
        kept = generator.random(40) < 0.8
        written = np.where(kept, generator.uniform(80, 120, 40), 50)
        continued = np.stack([20 * generator.uniform(1, 3, kept.sum()), np.full(kept.sum(), 20)], axis=1)
        monkeypatch.setattr(module, "_tokens_by_problem", lambda _, tables=(written, kept, continued): tables)
        cost = cost_of(measured({}, []))
        assert cost.problem == pytest.approx(written.sum() / kept.sum())
        assert cost.continuation == pytest.approx(continued[:, 0].sum() / continued[:, 1].sum())
        found = replace(made_up([1, 0, 0], spread=0), problems=int(kept.sum()))
        wanted = found.relative_error(MORE, truth).estimate
        interval = found.relative_error(MORE, cost)
        covered.append(interval.low <= wanted <= interval.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_the_page_on_a_build(small_build):
    measurements, other = measure_budget([small_build], {"states": 4, "references": 2, "draws": 0})
    assert (other.config["states"], other.config["references"], other.config["seed"]) == (4, 2, small_build["seed"])
    assert set(measurements[0].scores["state_id"]) < set(other.scores["state_id"])
    variances, cost, absolute = variances_of(measurements[0]), cost_of(measurements[0]), absolute_errors(measurements[0])
    checks = [foretell(measurements[0], other, v, cost) for v in variances]
    assert len(readable_shares(measurements[0], variances).frame) == len(readable_foretold(other, checks).frame) == len(COMPARED)
    designs = readable_designs(measurements[0], variances, cost).frame["design"]
    assert FEWER.label in set(designs) and max(int(label.split()[0]) for label in designs) <= small_build["group_size"]
    assert readable_absolute(measurements[0], absolute).frame["continuations"].iloc[-1] == str(small_build["references"])
    assert shown_numbers(variances[0], cost, checks[0], absolute)["design"] == "4 × 2"
    figure = plot_designs({measurements[0].name: (variances[0], cost)}, checks[0])
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["5 × 20, the paper’s", "4 × 2, seen"]


def test_a_column_that_ends_early_has_its_axis_named(measured):
    measurement = drawn(measured, 40, 5, 20)
    panel, cost = variances_of(measurement)[0], Cost(1000, 100, np.full((REPEATS, 2), 100.0))
    check = foretell(measurement, measurement, panel, cost)
    figure = plot_designs(dict.fromkeys("abc", (panel, cost)), check)
    assert [axis.get_title(loc="left")[0] for axis in figure.axes if axis.get_visible() and axis.get_xlabel()] == ["b", "c"]


@pytest.mark.parametrize("redesign", [{}, {"states": 4}, {"states": 4, "references": 2, "seed": 1}])
def test_a_redesign_changes_nothing_but_states_and_continuations(small_build, redesign):
    with pytest.raises(Refused, match="redesign holds states, references and"):
        measure_budget([small_build], redesign)


def test_what_shows_nothing_is_refused_before_a_build_is_made(small_build, monkeypatch):
    monkeypatch.setattr(module, "measure", None)
    with pytest.raises(Refused, match="states must be two or more"):
        measure_budget([{**small_build, "states": 1}], {"states": 4, "references": 2})
    with pytest.raises(Refused, match="as the first build is"):
        measure_budget([small_build], {name: small_build[name] for name in ("states", "references")})


def test_the_first_build_is_of_one_domain(small_build, measured, monkeypatch):
    both = [measured({"hista": [0.5] * 4}, [0.5] * 4, domain=domain) for domain in ("number", "science")]
    monkeypatch.setattr(module, "measure", lambda *_: both)
    with pytest.raises(Refused, match="are of several domains"):
        measure_budget([small_build], {"states": 4, "references": 2})


@pytest.mark.parametrize(
    ("parts", "cost", "words"),
    [
        ([1, 10, 10], costing(2000, 20), "agrees agrees"),
        ([1, 10, 4000], costing(2000, 20), "disagrees disagrees"),
        ([1, 0, 0], costing(2000, 0), "undecided undecided"),
    ],
)
def test_continuations_are_worth_what_they_tell(measured, parts, cost, words):
    """Fewer of them where they are little of the variance, more where they are most of it, either where they are nothing."""
    found = judge_continuations(measured({}, []), [made_up(parts)], cost)
    assert [finding.word for finding in found] == [Word(word) for word in words.split()]


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.9, 1.1, Word.AGREES), (0.9, 1.4, Word.UNDECIDED), (MARGIN + 0.1, 1.6, Word.DISAGREES)]
)
def test_what_is_seen_is_as_foretold_up_to_a_factor(measured, low, high, word):
    one, ratio = Interval(1, 1, 1), Interval((low + high) / 2, low, high)
    (finding,) = judge_foretold(measured({}, []), [Foretold("x − y", Design(40, 2), one, one, ratio, one)])
    assert finding.word is word and finding.claim == "the standard error of x − y in 40 × 2 is as foretold, up to a factor of 1.25"
