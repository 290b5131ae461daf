"""The search for the best unbiased estimator: what is tried, that what confirms did not choose, and what is said of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts import estimator_search, search_steps
from hista_repro.artifacts.comparisons import BASELINE
from hista_repro.artifacts.estimator_search import (
    Search,
    confirmed_table,
    judge_best,
    judge_transformed,
    label,
    readable_choices,
    readable_confirmed,
    search,
    split,
    transformed_table,
)
from hista_repro.artifacts.estimator_search_figure import plot_search
from hista_repro.artifacts.measurements import measure
from hista_repro.artifacts.search_candidates import FAMILIES, TRANSFORMED, candidates
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.estimators.transformed import Transformed
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

PROMPTS, STATES, N = 60, 3, 20
CHOSEN = {"rollout-kernel-loo": "τ = 1, whitened", **{family: "chosen" for family in FAMILIES if family != "rollout-kernel-loo"}}


@pytest.fixture
def found(measured):
    """A search whose best candidate knows the values; whitened states make `hista-loo` worse, and the others change nothing."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.1, 0.9, PROMPTS * STATES)
    rough = np.clip(truth + rng.normal(0, 0.2, len(truth)), 0, 1)
    estimates = {BASELINE: np.full(len(truth), 0.5), **dict.fromkeys(FAMILIES, rough)}
    estimates |= {label(*key): rough for key in CHOSEN.items()}
    estimates |= {label(family, kind): rough for family, kinds in TRANSFORMED.items() for kind in kinds}
    estimates[label("rollout-kernel-loo", CHOSEN["rollout-kernel-loo"])] = truth
    estimates[label("hista-loo", "whitened")] = 1 - rough
    confirmed = measured(estimates, rng.binomial(N, truth) / N, states=STATES)
    rows = [(family, settings, 0.1 + 0.01 * place, True) for place, (family, settings) in enumerate(CHOSEN.items())]
    choices = pd.DataFrame([*rows, ("hista-loo", "another", 0.5, False)], columns=["family", "settings", "brier", "chosen"])
    choices = choices.assign(diff=choices["brier"] - 0.1)
    for name in ("brier", "diff"):
        choices[f"{name}_low"], choices[f"{name}_high"] = choices[name] - 0.01, choices[name] + 0.01
    return Search(choices, CHOSEN, confirmed, {"transform": 12, "choose": 48, "confirm": PROMPTS})


@pytest.mark.parametrize("length", [10, 30, 70, 1000])
def test_every_candidate_is_unbiased_and_differs_from_all_others(length):
    tried = candidates(length, depth=3)
    assert {family for family, _ in tried} == set(FAMILIES)
    assert len({repr(estimator) for estimator in tried.values()}) == len(tried) >= 25
    assert all(estimator.information.unbiased for estimator in tried.values())
    for (family, settings), estimator in tried.items():
        assert (estimator.inner.name if isinstance(estimator, Transformed) else estimator.name) == family
        assert settings.endswith(TRANSFORMED.get(family, ("never",))) == isinstance(estimator, Transformed)


@pytest.mark.parametrize("count", [10, 18, 84, 1000])
def test_parts_share_no_problem(count):
    problems = [f"p{k}" for k in range(count)]
    parts = split(problems, seed=0)
    assert sorted(problem for part in parts.values() for problem in part) == sorted(problems)
    assert min(map(len, parts.values())) >= 1
    assert abs(len(parts["choose"]) - 0.4 * count) <= 1 and abs(len(parts["confirm"]) - 0.5 * count) <= 1
    assert split(problems, seed=0) == parts != split(problems, seed=1)


def test_too_few_problems_are_refused():
    with pytest.raises(Refused, match="keeps 9 problems, and a search needs 10"):
        split([str(k) for k in range(9)], seed=0)


@pytest.fixture(scope="module")
def measurement(small_build):
    every_problem = {**small_build, "limit": 12, "min_accuracy": 0.0, "max_accuracy": 1.0}
    return measure([every_problem], [BASELINE, *FAMILIES])[0]


def test_what_was_chosen_is_confirmed_on_other_problems(small_build, measurement):
    found = search(measurement)
    of_family = found.choices.groupby("family")["brier"]
    assert list(found.choices["chosen"]) == list(found.choices["brier"] == of_family.transform("min"))
    assert set(found.chosen) == set(FAMILIES)
    parts = split(sorted(measurement.scores["problem_id"].unique()), small_build["seed"])
    assert set(found.confirmed.scores["problem_id"]) == set(parts["confirm"])
    assert found.best in set(found.confirmed.scores["estimator"])
    best = found.choices.sort_values("brier").iloc[0]
    assert found.best == label(best["family"], best["settings"]) and best["diff"] == 0


def test_the_rewards_of_what_confirms_do_not_choose(small_build, measurement, monkeypatch):
    """Nor does anything else of it, for the part that fits transformations alone reads hidden states of other problems."""
    expected, parts = search(measurement), split(sorted(measurement.scores["problem_id"].unique()), small_build["seed"])
    groups = Benchmark(record(measurement.config)).groups
    flipped = {name: replace(group, rewards_G=1 - group.rewards_G) if name in parts["confirm"] else group for name, group in groups.items()}
    monkeypatch.setattr(Benchmark, "groups", flipped)
    monkeypatch.setattr(estimator_search, "kept_table", lambda make, *given: make(*given))
    found = search(measurement)
    pd.testing.assert_frame_equal(found.choices, expected.choices)
    assert not found.confirmed.scores.equals(expected.confirmed.scores)


def test_a_search_is_made_once(measurement, monkeypatch):
    expected = search(measurement)
    monkeypatch.setattr(search_steps, "select", None)
    monkeypatch.setattr(search_steps, "evaluate", None)
    found = search(measurement)
    pd.testing.assert_frame_equal(found.choices, expected.choices)
    pd.testing.assert_frame_equal(found.confirmed.scores, expected.confirmed.scores)


def test_the_tables_compare_what_was_confirmed(found):
    confirmed = confirmed_table(found).set_index(["family", "form"])
    assert len(confirmed) == 2 * len(FAMILIES)
    assert confirmed.loc[("rollout-kernel-loo", "as chosen"), "diff_high"] < 0
    assert confirmed.loc[("hista-loo", "as it comes"), "diff"] == confirmed.loc[("hista-loo", "as chosen"), "diff"]
    transformed = transformed_table(found).set_index(["family", "kind"])
    assert transformed.loc[("hista-loo", "whitened"), "diff_low"] > 0
    assert transformed.loc[("hista-cosine-loo", "centred"), "diff"] == 0


def test_the_words_follow_from_the_intervals(found):
    assert judge_best(found, BASELINE, "the mean").word is Word.AGREES
    assert judge_best(found, "hista-loo", "hista-loo").claim == "the estimator that was chosen errs less than hista-loo"
    assert judge_transformed(found, "hista-loo", "whitened").word is Word.DISAGREES
    assert judge_transformed(found, "hista-loo", "standardised").word is Word.UNDECIDED
    unchanged = replace(found, chosen={"hista-cosine-loo": "centred"})
    assert judge_best(unchanged, "hista-cosine-loo", "it as it comes").word is Word.NOT_COMPARABLE


def test_a_page_shows_what_was_chosen_and_confirmed(found):
    shown = readable_choices(found)
    assert list(shown.frame["family"]) == list(CHOSEN) and "on 48 problems" in shown.caption
    assert list(shown.frame["of"])[list(CHOSEN).index("hista-loo")] == "2"
    assert shown.frame["minus the best"].iloc[0] == "+0.000 [−0.010, +0.010]"
    table = readable_confirmed(found, confirmed_table(found), "difference", "So it is.")
    assert list(table.frame) == ["family", "form", "difference"] and table.caption.endswith("none of which chose. So it is.")
    figure = plot_search({"tiny": (confirmed_table(found), transformed_table(found))})
    assert len(figure.axes) == 2 and [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(CHOSEN)
