"""Draws of a benchmark: what their spread says of the intervals of single draws."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from hista_repro.artifacts import benchmark_draws as module
from hista_repro.artifacts.benchmark_draws import (
    COMPARED,
    ERRORS,
    Spread,
    chance_to_see,
    drawn_twice,
    judge_spread,
    measure_draws,
    opposite,
    readable_shares,
    readable_spread,
    shown_numbers,
    size_of,
    spread_of_errors,
    together,
)
from hista_repro.artifacts.benchmark_draws_figure import plot_draws
from hista_repro.artifacts.verdicts import Interval, Word
from hista_repro.errors import Refused


def spread_of(values, error, problems=100):
    """Draws at `values` with Student's intervals of standard error `error`."""
    half = t.ppf(0.975, problems - 1) * error
    return Spread("x − y", tuple(Interval(v, v - half, v + half) for v in values), (problems,) * len(values))


def test_a_spread_worked_by_hand():
    spread = spread_of([-0.3, -0.1, 0.1, 0.3], 0.1)
    assert spread.ratio.estimate == pytest.approx((0.09 + 0.01 + 0.01 + 0.09) / 3 / 0.01)
    # 3 * ratio over the quantiles of chi-square with 3 degrees of freedom, as tables print them
    assert (spread.ratio.low, spread.ratio.high) == (pytest.approx(20 / 9.348, rel=1e-3), pytest.approx(20 / 0.2158, rel=1e-3))
    assert (spread.mean.estimate, spread.mean.high) == (pytest.approx(0), pytest.approx(1.96 * 0.1 / 2, rel=1e-3))
    assert spread.decided == (1, 1) and spread.held == 2  # the others' means are 0.1, 0.033, -0.033 and -0.1
    assert opposite([spread, spread_of([0.1, 0.3], 0.1)]) == ["x − y"]


def test_right_intervals_give_a_ratio_of_one_and_hold_as_often_as_they_should():
    generator, draws = np.random.default_rng(0), 5
    spreads = [spread_of(generator.normal(0.2, 0.1, draws), 0.1, problems=10_000) for _ in range(2000)]
    assert np.mean([spread.ratio.estimate for spread in spreads]) == pytest.approx(1, abs=0.05)
    assert np.mean([spread.ratio.low <= 1 <= spread.ratio.high for spread in spreads]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([spread.mean.low <= 0.2 <= spread.mean.high for spread in spreads]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([spread.held / draws for spread in spreads]) == pytest.approx(spreads[0].expected_to_hold, abs=0.01)


def test_few_problems_and_draws_are_expected_to_hold_as_they_do():
    generator, problems, draws = np.random.default_rng(0), 10, 3
    held = []
    for _ in range(3000):
        samples_K_P = generator.normal(size=(draws, problems))
        half_K = t.ppf(0.975, problems - 1) * samples_K_P.std(axis=1, ddof=1) / np.sqrt(problems)
        intervals = [Interval(m, m - h, m + h) for m, h in zip(samples_K_P.mean(axis=1), half_K, strict=True)]
        held.append(Spread("x − y", tuple(intervals), (problems,) * draws).held / draws)
    assert np.mean(held) == pytest.approx(Spread("x − y", tuple(intervals), (problems,) * draws).expected_to_hold, abs=0.015)


def test_how_often_a_wide_variance_is_seen():
    generator = np.random.default_rng(0)
    seen = [spread_of(generator.normal(0, 0.2, 4), 0.1, problems=10_000).ratio.low > 1 for _ in range(3000)]
    assert np.mean(seen) == pytest.approx(chance_to_see(4, draws=4), abs=0.02)


@pytest.mark.parametrize(("error", "word"), [(0.02, Word.AGREES), (0.1, Word.UNDECIDED), (0.6, Word.DISAGREES)])
def test_intervals_are_judged_by_what_draws_do(error, word):
    spread = spread_of(np.random.default_rng(1).normal(0, 0.1, 30), error)
    (finding,) = judge_spread([spread], "tiny", "MAE")
    assert finding.word is word and finding.claim == "draws of x − y in MAE differ by more than their intervals say"


def test_every_comparison_of_every_draw(measured):
    generator, names = np.random.default_rng(0), dict.fromkeys(name for pair in COMPARED for name in pair)
    draw = measured({name: generator.uniform(size=40) for name in names}, np.tile([0.2, 0.8, 0.4, 0.6], 10))
    for error in ERRORS:
        spreads = spread_of_errors([draw] * 3, error)
        assert [spread.quantity for spread in spreads] == [f"{estimator} − {against}" for estimator, against in COMPARED]
        assert all(spread.ratio.estimate == pytest.approx(0) and spread.held == 3 for spread in spreads)
    frame = readable_spread(spreads, size_of([draw] * 3)).frame
    assert len(frame) == len(COMPARED) and frame["held"].unique().tolist() == ["3 of 3"]


def test_estimators_that_say_the_same_have_no_spread(measured):
    generator, names = np.random.default_rng(0), dict.fromkeys(name for pair in COMPARED for name in pair)
    estimates = {name: generator.uniform(size=40) for name in names}
    draw = measured({**estimates, "numca": estimates["group-mean"]}, np.tile([0.2, 0.8, 0.4, 0.6], 10))
    quantities = [spread.quantity for spread in spread_of_errors([draw] * 3, "mae")]
    assert quantities == [f"{estimator} − {against}" for estimator, against in COMPARED[1:]]


def test_a_share_is_of_all_draws_together(measured):
    references = np.tile([0.2, 0.8, 0.4, 0.6], 10)
    off = {"group-mean": 0.3, "loo-mean": 0.3, "numca": 0.1, "numca-loo": 0.2, "hista": 0.3, "hista-loo": 0.3}
    gain = measured({name: references + error for name, error in off.items()}, references)
    none = measured({name: references + 0.3 for name in off}, references)
    draws = [replace(draw, config={**draw.config, "seed": seed}) for seed, draw in enumerate([gain, gain, none])]
    assert together(draws).scores["problem_id"].nunique() == 3 * gain.scores["problem_id"].nunique()
    frame = readable_shares(draws).frame
    assert frame["single draws"].tolist() == ["–", "0.500 to 0.500"] and frame["that show a gain"].tolist() == ["0 of 3", "2 of 3"]
    assert [text[:5] for text in frame["all draws together"]] == ["no cl", "0.500"]


def test_seeds_make_draws_of_their_own(small_build):
    draws = measure_draws({**small_build, "seed": 7}, [0, 1])
    assert [draw.config["seed"] for draw in draws] == [0, 1]
    assert not set(draws[0].scores["state_id"]) & set(draws[1].scores["state_id"])
    assert drawn_twice([draws[0], draws[0]]) == (draws[0].scores["problem_id"].nunique(),) * 2
    errors = {title: spread_of_errors(draws, error) for error, title in ERRORS.items()}
    assert re.fullmatch(r"\d+ of \d+", shown_numbers(draws, errors)["held"])
    figure = plot_draws({**errors, "without any": []})
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["MAE", "Corrected MSE"]


@pytest.mark.parametrize("seeds", [[], [0], [0, 1, 0]])
def test_seeds_are_two_or_more_and_each_once(small_build, seeds):
    with pytest.raises(Refused, match="build_seeds must be two or more, each once"):
        measure_draws(small_build, seeds)


def test_draws_are_of_one_domain(small_build, measured, monkeypatch):
    found = iter(["number", "science"])
    monkeypatch.setattr(module, "measure", lambda *_: [measured({"hista": [0.5] * 4}, [0.5] * 4, domain=next(found))])
    with pytest.raises(Refused, match="are of the domains number, science"):
        measure_draws(small_build, [0, 1])
