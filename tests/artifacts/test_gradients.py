"""Noise and direction of gradients: on vectors of known mean and variance, and on a build."""

import numpy as np
import pandas as pd
import pytest
import torch

from hista_repro.artifacts import group_gradients
from hista_repro.artifacts.gradients import (
    LEAVE_ONE_OUT,
    REFERENCE,
    UNBIASED,
    Gradients,
    judge_gradients,
    measure_gradients,
    readable_means,
    readable_noise,
    shown_numbers,
)
from hista_repro.artifacts.gradients_figure import plot_noise
from hista_repro.artifacts.group_gradients import NOTHING, gradient_table
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

NAMES = (REFERENCE, *UNBIASED, *LEAVE_ONE_OUT, NOTHING)


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


def made_up(problems=40, **changed):
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
            powers = {"states": 5, "rollouts": 40, "right": 20, "power_right": 10.0, "power_wrong": 60.0}
            rows.append({"problem_id": f"p{problem}", "estimator": name, **numbers, **powers})
    table = pd.DataFrame(rows)
    nothing = table["estimator"] == NOTHING
    table.loc[nothing, "shared"] = table.loc[nothing, "noise"]
    return Gradients("tiny on arithmetic-steps", {"group_size": 40}, 8, table)


def test_noise_and_shares_by_hand():
    found = made_up(**{"hista_loo": {"noise": 150.0, "shared": 30.0}, "no baseline": {"noise": 50.0}})
    assert found.noise("hista-loo").estimate == pytest.approx(1.5) and found.noise(NOTHING).estimate == pytest.approx(0.5)
    # 50 (1 - c)^2 + 60 c (1 - c) + 150 c^2 is smallest at c = 20 / 140
    share = 20 / 140
    assert found.best_share("hista-loo").estimate == pytest.approx(share)
    least = 50 * (1 - share) ** 2 + 60 * share * (1 - share) + 150 * share**2
    assert found.least_noise("hista-loo").estimate == pytest.approx(least / 100)
    assert found.noise("hista-loo", share).estimate == pytest.approx(least / 100)
    shares = np.linspace(-1, 2, 301)
    assert min(found.noise("hista-loo", c).estimate for c in shares) == pytest.approx(least / 100, rel=1e-3)
    assert found.error("hista-loo").estimate == pytest.approx(0.1, rel=0.05)
    assert found.surprise().estimate == pytest.approx(6)


def test_a_shorter_gradient_needs_as_many_rollouts():
    """Half the gradient has a quarter of the noise, and is off by a quarter of the square."""
    found = made_up(hista={"noise": 25.0, "along": 50.0, "signal": 25.0}, numca={"along": 60.0, "signal": 100.0})
    assert (found.along("hista").estimate, found.off("hista").estimate) == (pytest.approx(0.5), pytest.approx(0.25))
    assert found.needed("hista").estimate == pytest.approx(1) and found.off("numca").estimate == pytest.approx(0.8)
    assert found.needed("hista", "hista-loo").estimate == pytest.approx(1)


def test_what_is_said_of_gradients():
    quieter = {"noise": 60.0, "shared": 40.0}
    bent = {"noise": 50.0, "along": 80.0, "signal": 90.0}
    found = made_up(**{"hista_loo": quieter, "numca_loo": {"noise": 130.0}, "numca": bent, "no baseline": {"noise": 200.0}})
    words = {finding.claim: finding.word for finding in judge_gradients(found)}
    assert words["the gradient is less noisy with the values of loo-mean than without a baseline"] is Word.AGREES
    assert words["the gradient is less noisy with the values of hista-loo than with those of loo-mean"] is Word.AGREES
    assert words["the gradient is less noisy with the values of numca-loo than with those of loo-mean"] is Word.DISAGREES
    assert words["the gradient is less noisy with the values of prefix-tree-loo than with those of loo-mean"] is Word.UNDECIDED
    assert words["numca bends or shrinks the mean gradient"] is Word.AGREES
    assert words["hista bends or shrinks the mean gradient"] is Word.UNDECIDED
    assert words["numca needs fewer rollouts than numca-loo for the same step along the gradient"] is Word.AGREES
    assert words["the mean gradient with hista-loo is that with loo-mean, up to 5% of its square"] is Word.AGREES


def test_the_page_on_a_build(small_build):
    found = measure_gradients(small_build, small_build["group_size"] // 2, 3)
    assert found.problems == 3 and set(found.table["estimator"]) == set(NAMES)
    of_nothing = found.table[found.table["estimator"] == NOTHING]
    assert of_nothing["shared"].to_numpy() == pytest.approx(of_nothing["noise"].to_numpy())
    of_mean = found.table[found.table["estimator"] == REFERENCE]
    assert of_mean["along"].to_numpy() == pytest.approx(of_mean["signal"].to_numpy())
    assert len(readable_noise(found).frame) == 5 and len(readable_means(found).frame) == 5
    assert shown_numbers(found)["setting"] == found.name
    assert [text.get_text() for text in plot_noise(found).legends[0].get_texts()] == [REFERENCE, *UNBIASED]


def test_an_action_that_ended_a_completion_is_one_of_it(small_build):
    benchmark = Benchmark(record(small_build))
    rollouts = group_gradients.read_table(benchmark.folder, "rollouts").head(20)
    _, tokenizer = group_gradients.load_model("tiny")
    decode = group_gradients.Decoder(tokenizer, [tokenizer.eos_token_id])
    for row in rollouts.itertuples():
        ids = row.token_ids.tolist()
        ended = [tokenizer.eos_token_id] if row.finish_reason == "stop" else []
        assert group_gradients._actions(ids, row.text, row.finish_reason, decode, tokenizer) == ids + ended
    kept = tokenizer("1+2", add_special_tokens=False)["input_ids"]
    assert group_gradients._actions(kept, "1", "stop", decode, tokenizer) == kept  # a stop string cut the text


def test_what_cannot_be_measured_is_refused(small_build):
    benchmark = Benchmark(record(small_build))
    with pytest.raises(Refused, match="two groups or more are needed"):
        gradient_table(benchmark, [get_estimator(REFERENCE)], small_build["group_size"], 3)
    for name in ("probe-loo", "mcs-1"):
        with pytest.raises(Refused, match=f"{name} learns, or draws continuations"):
            gradient_table(benchmark, [get_estimator(name)], 2, 3)
    with pytest.raises(Refused, match="problems is 1"):
        measure_gradients(small_build, 4, 1)
    with pytest.raises(Refused, match="size is 1"):
        measure_gradients(small_build, 1, 3)
