import pandas as pd
import pytest

from hista_repro.artifacts.estimator_costs import (
    PRODUCTS,
    GroupSize,
    growth,
    judge_cheaper,
    judge_heavy,
    judge_quadratic,
    measure_costs,
    random_group,
    ratio,
    ratio_range,
    readable_costs,
    readable_sizes,
    sizes_of,
)
from hista_repro.artifacts.estimator_costs_figure import plot_costs
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused

BASE = {"rollouts": 4, "tokens": 100, "depth": 16}
SERIES = {"rollouts": [8, 4], "tokens": [50, 100]}
SECONDS = {
    "hista-loo": lambda g, t, d: 1e-8 * g**2 * t**1.8 * d,
    PRODUCTS: lambda g, t, d: 0.8e-8 * g**2 * t**1.8 * d,
    "numca-loo": lambda g, t, d: 1e-6 * g * t,
    "probe-loo": lambda g, t, d: 1e-9 * g * t**2.5 * d,
}


@pytest.fixture
def known():
    """Seconds by formula, with a little noise that differs by repeat."""
    rows = []
    for axis, series in sizes_of(
        {"rollouts": 16, "tokens": 400, "depth": 64}, {"rollouts": [8, 16, 32], "tokens": [200, 400, 800]}
    ).items():
        for size in series:
            for name, of in SECONDS.items():
                for repeat, noise in enumerate((0.99, 1.0, 1.02)):
                    seconds = noise**size.tokens**0.1 * of(size.rollouts, size.tokens, size.depth)
                    rows.append({"axis": axis, **vars(size), "estimator": name, "repeat": repeat, "seconds": seconds})
    return pd.DataFrame(rows)


def test_series_differ_from_the_base_along_their_axis():
    sizes = sizes_of(BASE, SERIES)
    assert sizes["rollouts"] == [GroupSize(4, 100, 16), GroupSize(8, 100, 16)]
    assert sizes["tokens"] == [GroupSize(4, 50, 16), GroupSize(4, 100, 16)]
    assert readable_sizes(sizes).frame["hidden states (GB)"].iloc[1] == "0.0001"


def test_groups_are_of_the_size_and_the_same_for_the_same_seed():
    size = GroupSize(4, 100, 16)
    group, again, other = random_group(size), random_group(size), random_group(size, seed=1)
    assert (group.size, group.length(0), group.hidden().completions[3].shape) == (4, 100, (100, 16))
    assert group.completions == again.completions != other.completions
    assert any(character.isdigit() for character in group.completions[0])


def test_every_estimator_is_timed_on_every_group():
    costs = measure_costs(sizes_of(BASE, SERIES), ["hista-loo", "numca-loo"], repeats=2)
    assert len(costs) == 4 * 3 * 2
    assert costs["seconds"].ge(0).all() and costs.groupby("estimator")["seconds"].sum().gt(0).all()
    plot_costs(costs)


def test_growth_is_the_power(known):
    assert growth(known, "hista-loo", "rollouts").estimate == pytest.approx(2, abs=0.01)
    assert growth(known, "hista-loo", "tokens").estimate == pytest.approx(1.8, abs=0.01)
    assert growth(known, "numca-loo", "tokens").estimate == pytest.approx(1, abs=0.01)
    assert ratio(known, PRODUCTS, "hista-loo").estimate == pytest.approx(0.8)
    shown = readable_costs(known).frame.set_index("estimator")
    assert shown.loc["hista-loo", "power of rollouts (G)"].startswith("2.00")


def test_verdicts_follow_from_the_seconds(known):
    assert judge_quadratic(known, "hista-loo").word is Word.AGREES
    assert judge_quadratic(known, "probe-loo").word is Word.DISAGREES
    assert judge_heavy(known, "hista-loo").word is Word.AGREES
    assert (
        judge_heavy(known.assign(seconds=known["seconds"].where(known["estimator"] != PRODUCTS, 1e-6)), "hista-loo").word is Word.DISAGREES
    )
    assert judge_cheaper(known, "numca-loo", "hista-loo").word is Word.AGREES
    assert judge_cheaper(known, PRODUCTS, "hista-loo").word is Word.DISAGREES


def test_what_holds_at_the_largest_group_says_so(known):
    """Products take little of the time of small groups, and most of the largest, of 32 rollouts (as many numbers as 800 tokens)."""
    share = known["rollouts"].map({8: 0.1, 16: 0.3, 32: 0.9}).where(known["estimator"] == PRODUCTS, 1.0)
    costs = known.assign(seconds=share * known["tokens"] * known["rollouts"])
    heavy, cheaper = judge_heavy(costs, "hista-loo"), judge_cheaper(costs, "numca-loo", "hista-loo")
    assert heavy.setting == cheaper.setting == "a random group, G 32, T 400, D 64"
    assert heavy.word is Word.AGREES and heavy.ours.startswith("products over the whole, at the largest group timed: 0.900")
    assert "at the largest group timed: 1.000" in cheaper.ours
    assert ratio_range(costs, PRODUCTS, "hista-loo") == "0.100 to 0.900"
    quadratic = judge_quadratic(costs, "hista-loo")
    assert quadratic.setting == "random groups, G 8–32, T 200–800, D 64–64"
    assert quadratic.paper == "O(⌊T/d⌋²), of space" and quadratic.ours.startswith("time is measured: ")


@pytest.mark.parametrize(
    ("base", "series", "message"),
    [
        ({"rollouts": 4}, SERIES, "the axes are rollouts, tokens, depth"),
        (BASE, {"width": [1, 2]}, "the axes are"),
        (BASE, {}, "the axes are"),
        (BASE, {"tokens": [100, 100]}, "growth along tokens needs two or more sizes"),
        (BASE, {"tokens": [10, 100]}, "tokens must be integers of at least 50"),
        ({**BASE, "rollouts": 1}, SERIES, "rollouts must be integers of at least 2"),
        (BASE, {"depth": [1.5, 2]}, "depth must be integers"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(base, series, message):
    with pytest.raises(Refused, match=message):
        sizes_of(base, series)


def test_what_is_fitted_on_other_prompts_has_no_cost_of_a_group():
    with pytest.raises(Refused, match="probe-loo is fitted on other prompts"):
        measure_costs(sizes_of(BASE, SERIES), ["loo-mean", "probe-loo"], repeats=2)


def test_one_repeat_tells_no_spread():
    with pytest.raises(Refused, match="repeats must be at least 2, not 1"):
        measure_costs(sizes_of(BASE, SERIES), ["loo-mean"], repeats=1)
