"""The designs of a build: where states are cut, which rollouts estimators see, and what becomes of completions that reach the limit."""

import json
from dataclasses import replace
from importlib import import_module

import pandas as pd
import pytest

from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators import get_estimator
from hista_repro.problems.grading import grade
from hista_repro.problems.sources import load_problems
from hista_repro.sveb import build, score
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.designs import longer_when_right, pool_scores, selection_bias
from hista_repro.sveb.own_weight import own_weight_table
from hista_repro.sveb.records import read_table
from hista_repro.sveb.score import evaluate
from hista_repro.sveb.statistics import summarise
from small_build import KEEPS_EVERY_PROBLEM

BUILD = replace(KEEPS_EVERY_PROBLEM, limit=4, group_size=6, states=3, references=4, draws=1, max_tokens=72)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("designs") / "plain"
    build(BUILD, folder)
    return folder


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    folder = tmp_path_factory.mktemp("designs") / "apart"
    build(replace(BUILD, independent_pool=True, cut_every=8), folder)
    return folder


def test_a_pool_adds_rollouts_and_changes_no_others(built, apart):
    for name in ("screening", "rollouts"):
        assert read_table(apart, name).equals(read_table(built, name))
    rollouts, pool = read_table(apart, "rollouts"), read_table(apart, "pool")
    assert list(pool.problem_id) == list(rollouts.problem_id)
    assert list(pool.text) != list(rollouts.text)
    assert not (built / "pool.parquet").exists()


def test_fixed_cuts_lie_at_multiples(apart):
    states = read_table(apart, "states")
    assert (states.token_index % 8 == 0).all() and len(states)


def test_of_its_own_rollout_a_state_shows_itself_alone(apart):
    benchmark = Benchmark(apart)
    for name, states in benchmark.states.items():
        for (group, asked), state in zip(benchmark.asked(name), states.itertuples(), strict=True):
            (row,) = asked.itertuples()
            own, source = group.size - 1, benchmark.cut_from[name]
            assert (row.sample, row.token_index, row.state_id) == (own, state.token_index, state.state_id)
            assert group.completions[:own] == benchmark.groups[name].completions
            assert group.completions[own] == source.prefix(state.sample, state.token_index)
            assert group.length(own) == len(group.token_ids[own]) == state.token_index
            assert group.rewards_G[own] == 0
            hidden, entropies = group.hidden(-1).completions, group.entropies()
            assert hidden[own].equal(source.hidden(-1).completions[state.sample][: state.token_index])
            assert entropies[own].equal(source.entropies()[state.sample][: state.token_index])
            assert group.continue_from(own, state.token_index, 1).tolist() == state.draws.tolist()


def test_estimators_see_the_pool_and_not_the_own_outcome(apart):
    benchmark = Benchmark(apart)
    scores = score(apart)
    assert {"loo-mean", "hista-loo", "numca-loo", "mcs-1"} <= set(scores.estimator)
    assert "own-return" not in set(scores.information)
    means = {name: float(group.rewards_G.mean()) for name, group in benchmark.groups.items()}
    loo = scores[scores.estimator == "loo-mean"]
    assert loo.estimate.to_numpy() == pytest.approx(loo.problem_id.map(means).to_numpy())
    for name in ("hista", "group-mean", "ramp"):
        with pytest.raises(Refused, match=f"{name} looks at the outcome of the rollout"):
            score(apart, [name])
    with pytest.raises(Refused, match="no own reward to weigh"):
        own_weight_table(benchmark, [get_estimator("hista")])


def test_the_same_build_is_read_without_its_pool(apart, built):
    benchmark = Benchmark(apart, independent_pool=False)
    assert set(evaluate(benchmark, [get_estimator("hista")]).information) == {"own-return"}
    with pytest.raises(Refused, match="has no independent pool"):
        Benchmark(built, independent_pool=True)


def test_pools_are_compared_on_the_same_states(apart):
    scores = pool_scores(Benchmark(apart), {"group-mean": "loo-mean", "hista": "hista-loo"})
    table = summarise(scores, baseline="loo-mean, independent", repeats=100).set_index("estimator")
    assert len(table) == 6 and table.n_states.nunique() == 1
    assert table.information["hista"] == "own-return" and table.information["hista-loo, independent"] == "siblings"


def test_own_outcomes_are_held_against_references(apart, built):
    for folder in (apart, built):
        (row,) = selection_bias(Benchmark(folder), repeats=200).itertuples()
        states = read_table(folder, "states").merge(read_table(folder, "references"), on="state_id")
        own = read_table(folder, "rollouts").set_index(["problem_id", "sample"]).reward
        expected = [own[s.problem_id, s.sample] - s.successes / s.n for s in states.itertuples()]
        assert row.bias == pytest.approx(pd.Series(expected).mean())
        assert row.low <= row.bias <= row.high


def test_right_and_wrong_rollouts_are_compared_within_problems(built):
    rollouts = read_table(built, "rollouts")
    lengths = rollouts.assign(tokens=rollouts.token_ids.map(len)).pivot_table(index="problem_id", columns="reward", values="tokens")
    estimate, low, high = longer_when_right(Benchmark(built), "number", repeats=200)
    assert estimate == pytest.approx((lengths[1.0] - lengths[0.0]).dropna().mean())
    assert low <= estimate <= high


def test_truncated_completions_are_graded_by_what_they_hold(built):
    problems = {problem.id: problem for problem in load_problems(BUILD.problems, limit=BUILD.limit)}
    rollouts = pd.concat([read_table(built, "rollouts"), read_table(built, "screening")])
    truncated = rollouts[rollouts.finish_reason == "length"]
    assert len(truncated) and truncated.token_ids.map(len).eq(BUILD.max_tokens).all()
    for row in rollouts.itertuples():
        assert row.outcome == grade(problems[row.problem_id], row.text).value
    kept = read_table(built, "rollouts")
    counts = json.loads((built / "manifest.json").read_text())["counts"]
    assert counts["rollouts_truncated"] == (kept.finish_reason == "length").sum()
    assert counts["rollouts_truncated_correct"] == kept.reward[kept.finish_reason == "length"].sum()


def test_continuations_have_what_their_state_left_of_the_budget(built):
    states = read_table(built, "states").merge(read_table(built, "references"), on="state_id")
    each = BUILD.references + BUILD.draws
    left = BUILD.max_tokens - states.token_index
    assert (states.tokens <= each * left).all()
    assert (states.tokens >= states.truncated * left).all() and states.truncated.sum()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cut_every": 0}, "cut-every must be an integer of at least 1"),
        ({"cut_every": 72}, "cut-every must be below max-tokens"),
        ({"independent_pool": "yes"}, "independent-pool must be true or false"),
    ],
)
def test_designs_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(Refused, match=message):
        replace(BUILD, **settings)


def test_a_build_without_any_state_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("hista_repro.sveb.build"), "cut_states", lambda *_, **__: [])
    with pytest.raises(WorkFailed, match="no rollout reaches its first cut"):
        build(replace(BUILD, limit=2), tmp_path / "none")
