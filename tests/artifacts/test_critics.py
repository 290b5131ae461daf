from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from hista_repro.artifacts import critics
from hista_repro.artifacts.critics import critic, judge_collapse, judge_spread, readable_variance, variance_table, with_critics
from hista_repro.artifacts.verdicts import Word
from hista_repro.estimators import get_estimator

PROMPTS, STATES, N = 120, 5, 20


@pytest.fixture
def known(measured):
    """References around values that are half the prompt's and half the state's; estimates that know the one, the other, both or neither."""
    rng = np.random.default_rng(0)
    prompt, state = rng.uniform(0.25, 0.75, PROMPTS).repeat(STATES), rng.uniform(-0.25, 0.25, PROMPTS * STATES)
    references = rng.binomial(N, prompt + state) / N
    estimates = {
        "loo-mean": prompt,
        "group-mean": prompt,
        "hista": prompt + state,
        "numca": np.full(PROMPTS * STATES, 0.5),
        "ramp": prompt + rng.choice([-0.4, 0.4], PROMPTS * STATES),
        "own-return": np.ones(PROMPTS * STATES),
    }
    return measured(estimates, references, states=STATES)


def test_variance_is_split_between_prompts_and_within(known):
    table = variance_table(known, ["loo-mean", "hista", "numca"]).set_index("estimator")
    assert table.loc["hista", ["all", "between", "within"]].to_numpy(float) == pytest.approx([1, 1, 1], abs=0.1)
    assert table.loc["loo-mean", "within"] == pytest.approx(0, abs=0.05)
    assert table.loc["loo-mean", "between"] > 0.7, "it misses what the states of a prompt have by chance"
    assert table.loc["numca", ["all", "between", "within"]].to_numpy(float) == pytest.approx([0, 0, 0], abs=0.1)
    for name in ("all", "between", "within"):
        assert (table[f"{name}_low"] < table[name]).all() and (table[name] < table[f"{name}_high"]).all()
    assert readable_variance(known, variance_table(known, ["hista"])).frame["within prompts"].iloc[0].startswith(("0.9", "1.0"))


def test_a_value_for_the_whole_prompt_is_a_collapse_and_noise_is_none(known):
    names = ["loo-mean", "hista", "numca", "ramp"]
    table = variance_table(known, names)
    words = [judge_collapse(known, table, name).word for name in names]
    assert words == [Word.AGREES, Word.DISAGREES, Word.UNDECIDED, Word.DISAGREES], "the constant has learnt nothing at all"


def test_spread_is_the_mean_distance_from_the_group_mean(known):
    assert judge_spread(known, "ramp", "hista").word is Word.AGREES
    assert judge_spread(known, "hista", "ramp").word is Word.DISAGREES
    assert "+0.000" in judge_spread(known, "ramp", "ramp").ours


def test_a_critic_is_made_with_its_own_settings():
    settings = {"lam": 0.95, "rollouts": 3, "epochs": 2, "authors_rate": 0.5}
    fair, authors = critic("ppo-1", "", **settings), critic("ppo-n", "-authors", **settings)
    assert (fair.name, fair.lam, fair.rollouts, fair.critic.epochs) == ("ppo-1", 0.95, 3, 2)
    assert (authors.name, authors.lam, authors.critic.learning_rate) == ("ppo-n-authors", 0.95, 0.5)


@pytest.mark.parametrize(("built", "computed"), [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.bfloat16)])
def test_critics_stand_beside_the_other_rows_and_compute_as_the_build_did(known, monkeypatch, built, computed):
    known = replace(known, config={**known.config, "dtype": built})
    elsewhere = known.scores[known.scores["estimator"] == "hista"].assign(state_id="of another domain")

    def kept_scores(benchmark, estimators, *, adapt):
        assert {estimator.critic.dtype for estimator in estimators.values()} == {computed}
        own = known.scores[known.scores["estimator"] == "hista"]
        return pd.concat([part.assign(estimator=label) for label in estimators for part in (own, elsewhere)])

    monkeypatch.setattr(critics, "record", lambda config: None)
    monkeypatch.setattr(critics, "Benchmark", lambda folder: None)
    monkeypatch.setattr(critics, "kept_scores", kept_scores)
    asked = {f"lambda {lam}": get_estimator("ppo-1", lam=lam) for lam in (0.95, 1.0)}
    found = with_critics(known, asked).scores
    assert set(found["estimator"]) == {*known.scores["estimator"], *asked}
    assert set(found["state_id"]) == set(known.scores["state_id"])
