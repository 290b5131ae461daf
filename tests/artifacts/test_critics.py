from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from hista_repro.artifacts import critics
from hista_repro.artifacts.critics import (
    critic,
    judge_collapse,
    judge_errors_of,
    judge_no_advantage,
    judge_spread,
    of_learnt,
    readable_variance,
    share_texts,
    variance_table,
    with_critics,
)
from hista_repro.artifacts.verdicts import Finding, Word
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


@pytest.fixture
def of_critics(known):
    """The measurement with the estimates of the prompt, of both and of nothing as those of critics, and the variance that they explain."""
    names = {"loo-mean": "ppo-n, λ = 1.0", "hista": "ppo-1-authors", "numca": "ppo-1, λ = 1.0"}
    scores = pd.concat([known.scores, known.scores.replace({"estimator": names})]).drop_duplicates(["estimator", "state_id"])
    measurement = replace(known, scores=scores)
    return measurement, variance_table(measurement, list(names.values()))


def test_the_error_of_a_critic_that_has_learnt_nothing_decides_nothing(of_critics):
    measurement, variances = of_critics
    learnt, nothing = (judge_errors_of(measurement, name, "own-return", -0.1, variances) for name in ("ppo-n, λ = 1.0", "ppo-1, λ = 1.0"))
    assert (learnt.word, nothing.word) == (Word.AGREES, Word.UNDECIDED)
    assert nothing.ours.endswith("; ppo-1, λ = 1.0 is not seen to explain how prompts differ") and "explain" not in learnt.ours
    assert judge_errors_of(measurement, "ppo-1-authors", "ppo-n, λ = 1.0", 0.1, variances).word is Word.DISAGREES
    assert judge_errors_of(measurement, "ppo-n, λ = 1.0", "ppo-1, λ = 1.0", 0.1, variances).word is Word.UNDECIDED
    unknown = variances.assign(between_low=np.nan)
    assert judge_errors_of(measurement, "ppo-1-authors", "own-return", -0.1, unknown).word is Word.UNDECIDED


def test_a_finding_that_was_not_run_stays_so(of_critics):
    finding = Finding("ppo-1 errs", "tiny", "", "–", Word.NOT_RUN)
    assert of_learnt(finding, of_critics[1], ["ppo-1, λ = 1.0"]).word is Word.NOT_RUN


def test_no_advantage_is_a_difference_within_a_hundredth(of_critics):
    measurement, variances = of_critics
    same = judge_no_advantage(measurement, "ppo-n, λ = 1.0", "group-mean", -0.003, variances)
    assert (same.word, same.claim) == (Word.AGREES, "the error of ppo-n, λ = 1.0 differs from that of group-mean by less than 0.01")
    assert judge_no_advantage(measurement, "ppo-1-authors", "group-mean", -0.003, variances).word is Word.DISAGREES
    assert judge_no_advantage(measurement, "ppo-1, λ = 1.0", "group-mean", -0.003, variances).word is Word.UNDECIDED


def test_without_variance_of_the_references_nothing_is_judged(measured):
    flat = measured({"loo-mean": np.full(15, 0.4), "ppo-1": np.full(15, 0.5)}, np.full(15, 0.5), states=3)
    table = variance_table(flat, ["ppo-1"])
    assert readable_variance(flat, table).frame[["between prompts", "within prompts"]].iloc[0].tolist() == ["–", "–"]
    assert judge_collapse(flat, table, "ppo-1").word is Word.NOT_COMPARABLE
    only_within = table.assign(within=0.0, within_low=-0.01, within_high=0.01)
    finding = judge_collapse(flat, only_within, "ppo-1")
    assert (finding.word, finding.ours) == (Word.NOT_COMPARABLE, "no variance between prompts")


def test_the_text_of_a_page_shows_both_shares():
    row = pd.Series({"within": np.nan, "between": -0.004})
    assert share_texts(row, "ppo_1") == {"between_ppo_1": "0.00", "within_ppo_1": "–"}


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
