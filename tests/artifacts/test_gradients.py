"""Noise and direction of gradients: on vectors of known mean and variance, and on a build."""

import numpy as np
import pandas as pd
import pytest
import torch

from hista_repro.artifacts import group_gradients
from hista_repro.artifacts.gradients import (
    FOR_NOISE,
    OF_VALUES,
    PUBLISHED,
    REFERENCE,
    Gradients,
    judge_gradients,
    measure_gradients,
    readable_means,
    readable_noise,
    readable_values,
    shown_numbers,
)
from hista_repro.artifacts.gradients_figure import plot_noise
from hista_repro.artifacts.group_gradients import BINS, NOTHING, gradient_table, power_table
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.estimators.loo_share import LeaveOneOutShare
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.bootstrap import FEW
from hista_repro.sveb.records import read_table

NAMES = (REFERENCE, *OF_VALUES, *FOR_NOISE, *PUBLISHED, NOTHING)


def test_products_of_draws_tell_noise_and_mean_apart():
    """Three correlated estimators of means that are known, 40 parameters, two to five draws each."""
    generator = torch.Generator().manual_seed(0)
    means_E_W = torch.randn(3, 40, generator=generator)
    mixing_E_E = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0.5, 0, 2]])
    covariances, of_means = [], []
    for problem in range(1500):
        products = group_gradients._Products()
        for _ in range(2 + problem % 4):
            products.add(means_E_W + mixing_E_E @ torch.randn(3, 40, generator=generator))
        covariances.append(products.covariances())
        of_means.append(products.of_means())
    for found, true_E_E in ((covariances, 40 * mixing_E_E @ mixing_E_E.T), (of_means, means_E_W @ means_E_W.T)):
        errors = np.std(found, axis=0) / np.sqrt(len(found))
        assert (np.abs(np.mean(found, axis=0) - true_E_E.numpy()) < 4 * errors).all()


def made_up(problems=40, powers=((0, 10, 2.0, 1.0, 30.0, 3.0),), **changed):
    """Gradients of length 10 with a noise of 100, of which 50 are shared with no baseline; `changed`: estimator -> other numbers."""
    generator, rows = np.random.default_rng(0), []
    for problem in range(problems):
        scale = generator.uniform(0.8, 1.2)
        for name in NAMES:
            numbers = {
                "noise": 100.0,
                "shared": 50.0,
                "signal": 100.0,
                "along": 100.0,
                "error": 0.5,
                **changed.get(name.replace("-", "_"), {}),
            }
            numbers = {what: value * scale for what, value in numbers.items()}
            rows.append({"problem_id": f"p{problem}", "estimator": name, **numbers, "states": 5})
    table = pd.DataFrame(rows)
    nothing = table["estimator"] == NOTHING
    table.loc[nothing, "shared"] = table.loc[nothing, "noise"]
    columns = ["bin", "actions", "value", "reward", "power", "power_reward"]
    of_bins = pd.concat([pd.DataFrame(powers, columns=columns).assign(problem_id=f"p{problem}") for problem in range(problems)])
    return Gradients("tiny on arithmetic-steps", {"group_size": 40}, 8, table, of_bins)


def test_noise_and_shares_by_hand():
    found = made_up(**{"hista_loo": {"noise": 150.0, "shared": 30.0}, "zero": {"noise": 50.0}})
    assert found.noise("hista-loo").estimate == pytest.approx(1.5) and found.noise(NOTHING).estimate == pytest.approx(0.5)
    assert found.noise(REFERENCE, against=NOTHING).estimate == pytest.approx(2)
    assert found.noise_with_problems("hista-loo").estimate == pytest.approx(250 / 200)
    # 50 (1 - c)^2 + 60 c (1 - c) + 150 c^2 is smallest at c = 20 / 140
    share = 20 / 140
    assert found.best_share("hista-loo").estimate == pytest.approx(share)
    least = 50 * (1 - share) ** 2 + 60 * share * (1 - share) + 150 * share**2
    assert found.noise("hista-loo", share).estimate == pytest.approx(least / 100)
    assert min(found.noise("hista-loo", c).estimate for c in np.linspace(-1, 2, 301)) == pytest.approx(least / 100, rel=1e-3)
    assert found.error("hista-loo").estimate == pytest.approx(0.1, rel=0.05)
    assert found.error("hista-loo", REFERENCE).estimate == pytest.approx(0)


def test_rewards_by_value_by_hand():
    """Of ten actions in the first bin two were of right answers, and these can move the policy least."""
    found = made_up(powers=[(0, 10, 1.5, 2.0, 30.0, 3.0), (5, 5, 4.9, 4.0, 1.0, 0.0)]).by_value()
    assert found["bin"].tolist() == [0, 5] and found["actions"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found["value"].tolist() == pytest.approx([0.15, 0.98])
    assert [interval.estimate for interval in found["reward"]] == pytest.approx([0.2, 0.8])
    assert [interval.estimate for interval in found["weighted"]] == pytest.approx([0.1, 0.0])


def test_a_shorter_gradient_needs_as_many_rollouts():
    """Half the gradient has a quarter of the noise, and is off by a quarter of the square."""
    found = made_up(hista={"noise": 25.0, "along": 50.0, "signal": 25.0}, numca={"along": 60.0, "signal": 100.0})
    assert (found.along("hista").estimate, found.off("hista").estimate) == (pytest.approx(0.5), pytest.approx(0.25))
    assert found.needed("hista").estimate == pytest.approx(1) and found.off("numca").estimate == pytest.approx(0.8)
    assert found.needed("hista", "hista-loo").estimate == pytest.approx(1)


def test_a_gradient_that_is_only_shorter_is_off_and_not_bent():
    """Of the 0.5 that the second is off, half is its length. One that leaves out a problem is bent, though the rest points right."""
    found = made_up(hista={"along": 50.0, "signal": 25.0}, numca={"along": 50.0, "signal": 50.0})
    assert (found.off("hista").estimate, found.bent("hista").estimate) == (pytest.approx(0.25), pytest.approx(0, abs=1e-9))
    assert (found.off("numca").estimate, found.bent("numca").estimate) == (pytest.approx(0.5), pytest.approx(0.25))
    assert found.bent("numca").estimate == pytest.approx(min(0.5 - 2 * c * 0.5 + c**2 for c in np.linspace(0, 1, 101)))
    halves = made_up(problems=2)
    halves.table.loc[(halves.table["problem_id"] == "p1") & (halves.table["estimator"] == "hista"), ["along", "signal"]] = 0.0
    assert halves.bent("hista").estimate > 0.2


def test_what_might_not_reach_in_the_true_direction_needs_no_one_knows_how_many():
    found = made_up(hista={"along": -1.0})
    assert found.needed("hista") is None and found.needed("numca") is not None
    assert readable_means(found).frame.set_index("baseline").loc["hista", "rollouts needed"] == "too noisy to tell"
    words = {finding.claim: finding.word for finding in judge_gradients(found)}
    assert words["hista needs fewer rollouts than hista-loo for the same step along the gradient"] is Word.UNDECIDED


def test_what_is_said_of_gradients():
    better = {"error": 0.2}
    quieter, louder, same = {"noise": 60.0, "shared": 40.0, **better}, {"noise": 130.0, **better}, {"noise": 60.0, "error": 0.5}
    without, damped = {"noise": 60.0}, {"noise": 80.0}
    bent = {"noise": 50.0, "along": 80.0, "signal": 90.0}
    changed = {"hista_loo": quieter, "numca_loo": louder, "prefix_tree_loo": same, "numca": bent, "otb_loo": damped, "zero": without}
    words = {finding.claim: finding.word for finding in judge_gradients(made_up(**changed))}
    less_noisy = "the values of {} err less than those of loo-mean, and the gradient is less noisy with them"
    assert words["the gradient is less noisy with the values of loo-mean than without a baseline"] is Word.DISAGREES
    assert words["the gradient is less noisy with otb-loo than with loo-mean"] is Word.AGREES
    assert words["the gradient is less noisy with otb-loo than without a baseline"] is Word.DISAGREES
    assert words["the gradient is less noisy with loo-share than with loo-mean"] is Word.UNDECIDED
    assert words[less_noisy.format("hista-loo")] is Word.AGREES and words[less_noisy.format("numca-loo")] is Word.DISAGREES
    assert words[less_noisy.format("prefix-tree-loo")] is Word.NOT_COMPARABLE
    assert words["the mean gradient with numca is off"] is Word.AGREES
    assert words["the mean gradient with hista is off"] is Word.UNDECIDED
    assert words["the mean gradient with numca is bent, which no step size makes up for"] is Word.AGREES
    assert words["the mean gradient with hista is bent, which no step size makes up for"] is Word.UNDECIDED
    assert words["numca needs fewer rollouts than numca-loo for the same step along the gradient"] is Word.AGREES
    assert words["the mean gradient with hista-loo is off by less than 5% of its square"] is Word.AGREES


def test_the_page_on_a_build(small_build):
    build, size = {**small_build, "limit": 24, "group_size": 8}, 4
    found = measure_gradients(build, size, 12)
    assert found.problems == 12 and set(found.table["estimator"]) == set(NAMES)
    of_nothing, of_mean = (found.table[found.table["estimator"] == name] for name in (NOTHING, REFERENCE))
    assert of_nothing["shared"].to_numpy() == pytest.approx(of_nothing["noise"].to_numpy())
    assert of_mean["along"].to_numpy() == pytest.approx(of_mean["signal"].to_numpy())
    benchmark = Benchmark(record(build))
    errors = 0.0
    for name in of_mean["problem_id"]:  # the mean of the others in the same half
        rewards_2_G = benchmark.groups[name].rewards_G.view(2, size).double()
        others_G = ((rewards_2_G.sum(1, keepdim=True) - rewards_2_G) / (size - 1)).flatten()
        states = benchmark.states[name]
        n, r = states["n"].to_numpy(), (states["successes"] / states["n"]).to_numpy()
        errors += ((others_G[states["sample"].tolist()].numpy() - r) ** 2 - r * (1 - r) / (n - 1)).sum()
    assert of_mean["error"].sum() == pytest.approx(errors, abs=1e-5)
    assert len(readable_noise(found).frame) == 7 and len(readable_means(found).frame) == 9
    assert 1 <= len(readable_values(found).frame) < len(BINS) and shown_numbers(found)["setting"] == found.name
    assert [text.get_text() for text in plot_noise(found).legends[0].get_texts()] == [REFERENCE, *OF_VALUES, "otb-loo"]


def test_what_learns_is_fitted_on_a_group_of_each_of_other_problems(small_build, monkeypatch):
    """With the shares of its fits, the noise of `loo-share` is that of so much of `loo-mean`."""
    build, size, fits, original = {**small_build, "limit": 24, "group_size": 8}, 4, [], LeaveOneOutShare.fit

    def fit(self, groups):
        fits.append(({group.prompt_id for group in groups}, {group.size for group in groups}, original(self, groups)))
        return fits[-1][2]

    monkeypatch.setattr(LeaveOneOutShare, "fit", fit)
    benchmark = Benchmark(record(build))
    table = gradient_table(benchmark, [get_estimator(REFERENCE), get_estimator("loo-share")], size, len(benchmark))
    wide = table.pivot(index="problem_id", columns="estimator")
    assert len(fits) == 5 and len({fitted.share for *_, fitted in fits}) > 1
    for problem in benchmark.states:
        ((seen, sizes, fitted),) = [fit for fit in fits if problem not in fit[0]]
        assert sizes == {size} and len(seen) >= 0.7 * len(benchmark)
        without, shared, noise = (wide[column].loc[problem] for column in ("noise", "shared", "noise"))
        c = fitted.share
        expected = (1 - c) ** 2 * without[NOTHING] + 2 * c * (1 - c) * shared[REFERENCE] + c**2 * noise[REFERENCE]
        assert noise["loo-share"] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    with pytest.raises(Refused, match="loo-share learns from other problems; tell states apart by an estimator that does not"):
        power_table(benchmark, get_estimator("loo-share"), 2)


def test_values_and_rewards_of_actions_are_those_of_their_states(small_build):
    benchmark = Benchmark(record(small_build))
    table = power_table(benchmark, get_estimator("loo-mean"), 2)
    for name, rows in table.groupby("problem_id"):
        actions = group_gradients._Policy(benchmark).actions(name)
        counts, rewards_G = torch.tensor(list(map(len, actions))), benchmark.groups[name].rewards_G
        assert rows["actions"].sum() == counts.sum() and rows["reward"].sum() == pytest.approx(float(counts @ rewards_G.long()))
        others_G = (rewards_G.sum() - rewards_G) / (len(rewards_G) - 1)
        assert rows["value"].sum() == pytest.approx(float(counts.float() @ others_G), rel=1e-5)
        low, high = (np.array(BINS)[rows["bin"] + ends] for ends in (0, 1))
        assert ((rows["value"] / rows["actions"] >= low - 1e-6) & (rows["value"] / rows["actions"] <= high + 1e-6)).all()
        assert (rows["power_reward"] <= rows["power"] + 1e-9).all() and (rows["power"] > 0).all()


def test_an_action_that_ended_a_completion_is_one_of_it(small_build):
    benchmark = Benchmark(record(small_build))
    policy, name = group_gradients._Policy(benchmark), next(iter(benchmark.states))
    rollouts = read_table(benchmark.folder, "rollouts")
    eos = policy._tokenizer.eos_token_id
    for drawn, row in zip(policy.actions(name), rollouts[rollouts["problem_id"] == name].itertuples(), strict=True):
        assert drawn == [*row.token_ids, *([eos] if row.finish_reason == "stop" else [])]
    kept = policy._tokenizer("1+2", add_special_tokens=False)["input_ids"]
    assert policy._drawn(kept, "1", "stop") == kept  # a stop string cut the text


def test_what_cannot_be_measured_is_refused(small_build, monkeypatch):
    build = {**small_build, "limit": 24, "group_size": 8}
    benchmark = Benchmark(record(build))
    with pytest.raises(Refused, match="two groups or more are needed"):
        gradient_table(benchmark, [get_estimator(REFERENCE)], 8, 3)
    for name in ("ppo-1", "mcs-1"):
        with pytest.raises(Refused, match=f"{name} trains a network, learns from the same problems, or draws"):
            gradient_table(benchmark, [get_estimator(name)], 2, 3)
    with pytest.raises(Refused, match="5 problems are too few for intervals of ratios"):
        measure_gradients(build, 3, 5)
    with pytest.raises(Refused, match="size is 1"):
        measure_gradients(build, 1, FEW)
    noise = pd.DataFrame({"estimator": [REFERENCE], "signal": [-0.1], "states": [1]})
    monkeypatch.setattr("hista_repro.artifacts.gradients.kept_table", lambda *_: noise)
    with pytest.raises(Refused, match="in groups of 3 rollouts are nothing but noise"):
        measure_gradients(build, 3, FEW)
