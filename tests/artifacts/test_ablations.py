from dataclasses import replace

import pandas as pd
import pytest

from hista_repro.artifacts import ablations
from hista_repro.artifacts.ablation_figure import plot_ablation
from hista_repro.artifacts.ablation_settings import (
    Setting,
    distance_settings,
    layer_settings,
    smoothing_settings,
    stride_settings,
)
from hista_repro.artifacts.ablations import Ablation, ablate, ablation_table, judge_no_change, judge_settings, readable_ablation
from hista_repro.artifacts.verdicts import Word
from hista_repro.estimators import Information, get_estimator
from hista_repro.sveb.config import BuildConfig

REFERENCES = [0.5, 0.25, 0.75, 0.5, 0.25, 0.5]


class Build:
    """What settings are made from."""

    def __init__(self, typical_length, model="tiny"):
        self.typical_length = typical_length
        self.config = BuildConfig(model=str(model), problems="arithmetic-steps")


def spacings(setting):
    return {(e.interval, e.interval * e.stride) for e in setting.estimators.values()}


def test_at_the_paper_s_lengths_the_settings_are_the_paper_s():
    settings = smoothing_settings(Build(1000), [1, 5, 10, 25], [0.0, 0.7])
    assert [spacings(setting) for setting in settings[::2]] == [{(1, 50)}, {(5, 50)}, {(10, 50)}, {(25, 50)}]
    assert settings[3].estimators == {form: get_estimator(form) for form in ("hista", "hista-loo")}, "the default"
    settings = stride_settings(Build(1000), [10, 25, 50, 100, 150], [66])
    assert [spacings(setting) for setting in settings] == [{(5, tokens)} for tokens in (10, 25, 50, 100, 150)]
    assert settings[2].estimators == {form: get_estimator(form) for form in ("hista", "hista-loo")}


def test_on_short_answers_the_settings_shrink_with_the_defaults():
    settings = smoothing_settings(Build(60), [1, 5, 10, 25], [0.7])
    assert [setting.here for setting in settings] == [
        "a row every token, a node every 3 tokens",
        "a row every token, a node every 3 tokens",
        "a row every 2 tokens, a node every 4 tokens",
        "a row every 5 tokens, a node every 5 tokens",
    ]
    default = {form: get_estimator(form).for_length(60) for form in ("hista", "hista-loo")}
    assert settings[0].estimators == settings[1].estimators == default


def test_every_distance_has_a_form_that_leaves_the_own_nodes_out():
    settings = distance_settings(Build(60))
    assert [setting.estimators["hista"].name for setting in settings] == ["hista", "hista-cosine", "hista-corresponding"]
    assert {setting.estimators["hista-loo"].information for setting in settings} == {Information.SIBLINGS}
    assert [setting.printed for setting in settings] == [0.142, 0.226, 0.208]


def test_layers_are_counted_from_the_last_and_end_with_the_model(random_model):
    settings = layer_settings(Build(60, random_model), [1, 2, 3])
    assert [setting.estimators["hista"].layer for setting in settings[:2]] == [-1, -2]
    assert [setting.here for setting in settings] == ["after layer 2 of 2", "after layer 1 of 2", "not run: the model has 2 layers"]
    assert settings[2].estimators == {}


def test_k_is_swept_beside_the_spacing():
    settings = stride_settings(Build(60), [50, 150], [66, 40])
    assert [setting.name for setting in settings] == ["k = 66, δ = 50", "k = 66, δ = 150", "k = 40, δ = 50", "k = 40, δ = 150"]
    assert [setting.estimators["hista"].neighbours for setting in settings] == [66, 66, 40, 40]


@pytest.fixture
def ablation(measured):
    """Errors of 0.1 (default), 0.15, and none for a setting that was not run; the leave-one-out form errs by 0.2 with both."""
    hista, loo = get_estimator("hista"), get_estimator("hista-loo")
    settings = [
        Setting("", "l = 1", "after layer 3 of 3", {"hista": hista, "hista-loo": loo}, 0.142),
        Setting("", "l = 2", "after layer 2 of 3", {"hista": get_estimator("hista", layer=-2), "hista-loo": loo}, 0.144),
        Setting("", "l = 6", "not run: the model has 3 layers", {}, 0.146),
    ]
    off = {"group-mean": 0.3, "loo-mean": 0.25, "hista": 0.1, "own-return": 0.15, "hista-loo": 0.2}
    measurement = measured({name: [r + error for r in REFERENCES] for name, error in off.items()}, REFERENCES)
    names = {"hista": "hista: l = 1", "own-return": "hista: l = 2", "hista-loo": "hista-loo: l = 1"}
    scores = measurement.scores.replace({"estimator": names})
    again = scores[scores["estimator"] == "hista-loo: l = 1"].assign(estimator="hista-loo: l = 2")
    whole = replace(measurement, scores=pd.concat([scores, again], ignore_index=True))
    return Ablation(whole, {setting.name: setting for setting in settings}, "l = 1")


def test_the_table_compares_with_the_default(ablation):
    table = ablation_table(ablation)
    assert table["mae"].tolist()[:2] == pytest.approx([0.1, 0.15])
    assert table["mae_diff"].tolist()[:2] == pytest.approx([0, 0.05])
    assert table["mae"].isna().tolist() == [False, False, True] * 2
    assert table["printed_diff"].tolist() == pytest.approx([0, 0.002, 0.004] * 2)
    assert table["baseline_diff"].tolist() == pytest.approx([0.2] * 3 + [0.05] * 3)


def test_the_page_shows_both_forms_side_by_side(ablation):
    shown = readable_ablation(ablation, ablation_table(ablation)).frame.set_index("setting")
    assert shown.loc["l = 2", "hista − default"] == "+0.050 [+0.050, +0.050]"
    assert shown.loc["l = 1", "hista − default"] == shown.loc["l = 2", "hista-loo − default"] == "–"
    assert shown.loc["l = 6", "hista-loo"] == "not run"


def test_changes_are_judged_by_direction_or_by_size(ablation):
    assert judge_settings(ablation, "l = 2", "l = 1").word is Word.AGREES
    assert judge_settings(ablation, "l = 6", "l = 1").word is Word.NOT_RUN
    assert judge_no_change(ablation, "l = 2").word is Word.DISAGREES
    assert judge_no_change(ablation, "l = 6").word is Word.NOT_RUN


def test_settings_that_are_the_same_here_cannot_be_compared(ablation):
    first = ablation.settings["l = 1"]
    same = Setting("", "l = 3", "after layer 3 of 3", first.estimators, 0.141)
    twice = Ablation(ablation.measurement, {"l = 1": first, "l = 3": same}, "l = 1")
    assert judge_settings(twice, "l = 3", "l = 1").word is Word.NOT_COMPARABLE


def test_a_claim_about_two_changes_needs_both_of_them_here(ablation):
    """Of phi and alpha only alpha can be told apart where all short spacings become one token; k and delta stay apart."""
    default = ablation.settings["l = 1"].estimators
    other = ablation.settings["l = 2"].estimators

    def word(first: dict, sister: dict) -> Word:
        settings = [
            Setting("φ = 1", "α = 0.0", "", first, 0.140),
            Setting("φ = 5", "α = 0.7", "", default, 0.142),
            Setting("φ = 5", "α = 0.0", "", sister, 0.145),
        ]
        names = ["φ = 1, α = 0.0", "φ = 5, α = 0.7", "φ = 5, α = 0.0"]
        scores = ablation.measurement.scores
        rows = [scores[scores["estimator"] == "hista: l = 1"].assign(estimator=f"hista: {name}") for name in names]
        both = replace(ablation.measurement, scores=pd.concat([scores, *rows], ignore_index=True))
        return judge_settings(Ablation(both, {setting.name: setting for setting in settings}, names[1]), *names[:2]).word

    assert word(first=other, sister=other) is Word.NOT_COMPARABLE
    assert word(first=other, sister=default) is Word.UNDECIDED


def test_all_settings_that_can_be_had_are_scored_as_they_are(ablation, monkeypatch):
    scores = ablation.measurement.scores

    def kept_scores(benchmark, estimators, *, adapt):
        assert not adapt
        return pd.concat([scores[scores["estimator"] == "hista: l = 1"].assign(estimator=label) for label in estimators])

    monkeypatch.setattr(ablations, "kept_scores", kept_scores)
    monkeypatch.setattr(ablations, "record", lambda config: config)
    monkeypatch.setattr(ablations, "Benchmark", lambda folder: folder)
    baselines = replace(ablation.measurement, scores=scores[scores["estimator"].isin(["group-mean", "loo-mean"])])
    done = ablate(baselines, lambda benchmark: list(ablation.settings.values()), default="l = 1")
    labels = {setting.label(form) for setting in ablation.settings.values() if setting.estimators for form in setting.estimators}
    assert labels and set(done.measurement.scores["estimator"]) == labels | {"group-mean", "loo-mean"}


def test_the_figure_has_a_row_for_the_paper(ablation):
    figure = plot_ablation({"tiny": ablation_table(ablation)}, "Paper: Qwen")
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["tiny\nas published", "\nleave-one-out", "Paper: Qwen\nas published", ""]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "2", "6"]
    assert figure.axes[0].get_xlabel() == "l"
