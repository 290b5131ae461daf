"""The vLLM engine gives what the transformers engine gives; needs an installation of vLLM of its own, such as its CPU build."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare, fisher_exact

from hista_repro.errors import Refused
from hista_repro.problems.grading import Outcome, grade
from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.transformers_engine import TransformersEngine
from hista_repro.rollouts.vllm_engine import VllmEngine
from hista_repro.sveb import BuildConfig, build, sampler, score

try:
    import vllm
except ImportError:
    vllm = None


def with_vllm(test):
    """For tests that start vLLM, which takes longer than the tests themselves."""
    for mark in (pytest.mark.skipif(vllm is None, reason="vLLM is not installed"), pytest.mark.slow, pytest.mark.timeout(900)):
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def engine():
    return VllmEngine("tiny")


@pytest.fixture(scope="module")
def transformers_engine():
    return TransformersEngine("tiny")


@pytest.fixture(scope="module")
def problems():
    return load_problems("arithmetic-steps", limit=6)


def sampled(engine, problems, each, seed=0):
    """`each` completions of each problem, of at most 96 tokens."""
    requests = [Request(engine.encode(render(problem, engine.tokenizer).text), 96) for problem in problems for _ in range(each)]
    return requests, engine.sample(requests, temperature=1.0, stop=(), seed=seed)


@pytest.mark.skipif(vllm is not None, reason="vLLM is installed")
def test_a_missing_installation_is_named():
    with pytest.raises(Refused, match="the vllm engine needs vLLM"):
        VllmEngine("tiny")


@with_vllm
def test_prompts_are_encoded_alike(engine, transformers_engine, problems):
    text = render(problems[0], engine.tokenizer).text
    assert engine.encode(text) == transformers_engine.encode(text)
    assert engine.context == transformers_engine.context


@with_vllm
def test_the_same_tokens_have_the_same_log_probabilities(engine, transformers_engine, problems):
    requests, completions = sampled(engine, problems, 2)
    asked = [request.prompt + completion.token_ids for request, completion in zip(requests, completions, strict=True)]
    only_read = vllm.SamplingParams(max_tokens=1, prompt_logprobs=0)
    outputs = engine.llm.generate([{"prompt_token_ids": list(ids)} for ids in asked], only_read, use_tqdm=False)
    for ids, output in zip(asked, outputs, strict=True):
        theirs = [found[token].logprob for token, found in zip(ids[1:], output.prompt_logprobs[1:], strict=True)]
        with torch.inference_mode():
            logits_T_V = transformers_engine.model(torch.tensor([ids])).logits[0, :-1]
        ours = logits_T_V.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(theirs), ours, atol=1e-3, rtol=1e-3)


@with_vllm
@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_next_tokens_follow_the_model_distribution(engine, transformers_engine, problems, temperature):
    prompt = engine.encode(render(problems[0], engine.tokenizer).text)
    written = engine.sample([Request(prompt, 6)], temperature=0, stop=(), seed=0)[0].token_ids[:5]
    completions = engine.sample([Request(prompt, 6, written)] * 3000, temperature=temperature, stop=(), seed=1)
    with torch.inference_mode():
        logits_V = transformers_engine.model(torch.tensor([prompt + written])).logits[0, -1].double()
    expected_V = torch.softmax(logits_V / temperature, 0) * len(completions)
    tokens = [c.token_ids[5] if len(c.token_ids) > 5 else engine.tokenizer.eos_token_id for c in completions]
    counts_V = torch.bincount(torch.tensor(tokens), minlength=len(expected_V)).double()
    likely = expected_V >= 5
    observed = [*counts_V[likely].tolist(), counts_V[~likely].sum().item()]
    wanted = [*expected_V[likely].tolist(), expected_V[~likely].sum().item()]
    assert all(completion.token_ids[:5] == written for completion in completions)
    assert chisquare(observed, wanted).pvalue > 1e-4


@with_vllm
def test_accuracies_agree_within_their_intervals(engine, transformers_engine, problems):
    right = []
    for one in (engine, transformers_engine):
        _, completions = sampled(one, problems, 60)
        asked = [problem for problem in problems for _ in range(60)]
        outcomes = [grade(problem, completion.text) for problem, completion in zip(asked, completions, strict=True)]
        right.append(outcomes.count(Outcome.CORRECT))
    table = [[count, len(asked) - count] for count in right]
    assert fisher_exact(table).pvalue > 1e-3


@with_vllm
def test_completions_depend_on_requests_and_seed_alone(engine, problems):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    _, first = sampled(engine, problems, 4)
    sampled(engine, problems[:2], 3, seed=9)
    _, again = sampled(engine, problems, 4)
    assert first == again
    assert torch.equal(state, torch.get_rng_state())
    assert sampled(engine, problems, 4, seed=1)[1] != first


@with_vllm
def test_the_length_limit_and_stop_strings_belong_to_the_whole_completion(engine, problems):
    prompt = engine.encode(render(problems[0], engine.tokenizer).text)
    plain = engine.sample([Request(prompt, 24)], temperature=0, stop=(), seed=0)[0]
    assert len(plain.token_ids) == 24 and plain.finish_reason == "length"
    cut = plain.text.index(";")
    requests = [Request(prompt, 24, plain.token_ids[: cut - 2])]
    (continued,), (stopped,) = (engine.sample(requests, temperature=0, stop=strings, seed=0) for strings in ((), (";",)))
    assert continued == plain
    assert stopped.finish_reason == "stop" and stopped.text == plain.text[:cut]
    assert plain.token_ids[: len(stopped.token_ids)] == stopped.token_ids


@with_vllm
def test_a_build_made_in_two_goes_is_the_build_made_in_one(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(sampler, "make_engine", lambda *_, **__: engine)
    config = BuildConfig("tiny", "arithmetic-steps", limit=3, group_size=3, states=2, references=3, screen=3, engine="vllm")
    config = replace(config, min_accuracy=0.0, max_accuracy=1.0, temperature=1.0, max_tokens=96, batch_tokens=96 * 4)
    build(config, tmp_path / "one")
    roll_out, left = sampler.Sampler.roll_out, iter(range(4))

    def until_stopped(self, *unit):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return roll_out(self, *unit)

    with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
        stopping.setattr(sampler.Sampler, "roll_out", until_stopped)
        build(config, tmp_path / "two")
    build(config, tmp_path / "two")
    for name in ("rollouts", "states", "references"):
        first, second = ((tmp_path / folder / f"{name}.parquet").read_bytes() for folder in ("one", "two"))
        assert first == second
    assert set(score(tmp_path / "one", ["probe-loo", "hista-loo"]).n) == {3}
