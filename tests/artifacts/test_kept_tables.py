import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hista_repro.artifacts import kept_tables as module
from hista_repro.artifacts.drawn_values import drawn_values
from hista_repro.artifacts.kept_tables import kept_scores, kept_table
from hista_repro.estimators import get_estimator
from hista_repro.estimators.transformed import Transformed
from hista_repro.sveb import build
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.sampler import Sampler
from small_build import KEEPS_EVERY_PROBLEM


class Build:
    typical_length = 70

    def __init__(self, folder, problems=("p", "q"), independent_pool=False):
        self.folder, self.states, self.independent_pool = folder, dict.fromkeys(problems), independent_pool


def smallest_build(folder):
    build(replace(KEEPS_EVERY_PROBLEM, limit=2, references=2, draws=0), folder)
    return Benchmark(folder)


@pytest.fixture
def scored(monkeypatch):
    """What was scored: (name, repr) of each estimator that was not found."""
    found = []

    def evaluate(benchmark, estimators, *, adapt):
        (estimator,) = estimators
        found.append((estimator.name, repr(estimator)))
        return pd.DataFrame({"state_id": ["s"], "estimator": [estimator.name], "estimate": [0.5]})

    evaluate.__module__ = "hista_repro.sveb.score"
    monkeypatch.setattr(module, "evaluate", evaluate)
    return found


def test_each_estimator_is_scored_once(scored, tmp_path):
    hista, mean = get_estimator("hista"), get_estimator("loo-mean")
    kept_scores(Build(tmp_path), {"hista": hista})
    found = kept_scores(Build(tmp_path), {"mean": mean, "again": hista, "once more": hista})
    assert [name for name, _ in scored] == ["hista", "loo-mean"]
    assert list(found["estimator"]) == ["mean", "again", "once more"]


def test_spacings_fit_the_length_of_the_build_unless_they_are_given(scored, tmp_path):
    hista = get_estimator("hista")
    kept_scores(Build(tmp_path), {"hista": hista})
    kept_scores(Build(tmp_path), {"hista": hista}, adapt=False)
    kept_scores(Build(tmp_path), {"hista": hista.for_length(70)}, adapt=False)
    assert [text for _, text in scored] == [repr(hista.for_length(70)), repr(hista)]


def test_other_settings_are_scored_anew(scored, tmp_path):
    hista = get_estimator("hista")
    kept_scores(Build(tmp_path), {"a": hista, "b": replace(hista, neighbours=3)})
    assert len(scored) == 2


def test_another_source_is_scored_anew(scored, tmp_path, monkeypatch):
    kept_scores(Build(tmp_path), {"a": get_estimator("hista")})
    monkeypatch.setattr(module, "code_digest", lambda *paths: "edited")
    kept_scores(Build(tmp_path), {"a": get_estimator("hista")})
    assert len(scored) == 2


def test_what_fails_leaves_nothing_behind(scored, tmp_path, monkeypatch):
    def evaluate(*_, **__):
        raise RuntimeError("no model")

    evaluate.__module__ = "hista_repro.sveb.score"
    with monkeypatch.context() as patch:
        patch.setattr(module, "evaluate", evaluate)
        with pytest.raises(RuntimeError, match="no model"):
            kept_scores(Build(tmp_path), {"a": get_estimator("hista")})
    kept_scores(Build(tmp_path), {"a": get_estimator("hista")})
    assert len(scored) == 1


MADE = []


def table(benchmark, *settings):
    MADE.append(settings)
    return pd.DataFrame({"number": [len(MADE)]})


@pytest.fixture
def ask(tmp_path):
    """The number of the table that is given for some settings."""
    MADE.clear()
    return lambda *settings, **build: int(kept_table(table, Build(tmp_path, **build), *settings)["number"].iloc[0])


def test_a_table_is_made_once_for_its_settings(ask):
    hista = get_estimator("hista")
    assert [ask("p", [1]), ask("p", [2]), ask("p", {"h": hista}), ask("p", {"h": replace(hista, neighbours=3)})] == [1, 2, 3, 4]
    assert [ask("p", [1]), ask("p", [2]), ask("p", {"h": hista}), ask("p", {"h": replace(hista, neighbours=3)})] == [1, 2, 3, 4]


def test_another_view_of_the_build_has_a_table_of_its_own(ask):
    assert [ask(), ask(independent_pool=True), ask(problems=("p",)), ask()] == [1, 2, 3, 1]


def test_an_edit_of_the_maker_or_of_an_estimator_that_it_is_given_makes_it_anew(ask, monkeypatch):
    nested = {"a": [Transformed(get_estimator("hista-cosine-loo"), "whitened")]}
    for edited in (__file__, sys.modules[type(get_estimator("hista-cosine-loo")).__module__].__file__):
        before = ask(nested)
        assert ask(nested) == before
        with monkeypatch.context() as patch:
            patch.setattr(module, "code_digest", lambda *paths, edited=edited: f"edited: {Path(edited) in paths}")
            patch.setattr(module, "reached_files", lambda code: [])
            assert ask(nested) == before + 1


def test_what_is_drawn_for_a_page_is_drawn_once(tmp_path, monkeypatch):
    drawn = kept_table(drawn_values, small := smallest_build(tmp_path), *(asked := (next(iter(small.groups)), [(0, 1), (1, 2)], 3)))
    assert list(drawn["successes"].between(0, 3)) == [True, True]
    monkeypatch.setattr(Sampler, "continue_from", None)
    assert kept_table(drawn_values, small, *asked).equals(drawn)
