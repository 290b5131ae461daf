from dataclasses import replace

import pandas as pd
import pytest

from hista_repro.artifacts import kept_scores as module
from hista_repro.artifacts.kept_scores import kept_scores, kept_table
from hista_repro.estimators import get_estimator


class Build:
    typical_length = 70

    def __init__(self, folder):
        self.folder = folder


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


def test_a_table_is_made_once_for_its_settings_and_the_source_of_its_maker(tmp_path, monkeypatch):
    made = []

    def table(settings, module="hista_repro.sveb.selection"):
        def make():
            made.append(settings)
            return pd.DataFrame({"x": [len(made)]})

        return int(kept_table(Build(tmp_path), "search", settings, module, make)["x"].iloc[0])

    assert [table({"k": 1}), table({"k": 1}), table({"k": 2}), table({"k": 1}, "hista_repro.estimators.hista")] == [1, 1, 2, 3]
    monkeypatch.setattr(module, "code_digest", lambda *paths: "edited")
    assert table({"k": 1}) == 4
