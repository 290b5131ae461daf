import json
import shutil

import pytest
import torch
from scipy.stats import chisquare

from hista_repro.errors import Refused
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.transformers_engine import TransformersEngine


@pytest.fixture(scope="module", params=["shared prefix", "copied prefix"])
def engine(request, random_model):
    engine = TransformersEngine(str(random_model))
    assert engine._shares
    engine._shares = request.param == "shared prefix"
    return engine


def _plain_logits(engine, ids):
    """Next-token logits by one forward pass over one sequence: no cache, no padding, no batch."""
    with torch.inference_mode():
        return engine.model(torch.tensor([list(ids)])).logits[0]


def test_greedy_completions_equal_a_plain_loop_over_each_prompt(engine):
    prompts = [engine.encode(text) for text in ("what is 1?", "what is 12345?", "what?", "why", "what is 1?")]
    completions = engine.sample([Request(prompt, 12) for prompt in prompts], temperature=0, stop=(), seed=0)
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = list(prompt)
        while len(ids) < len(prompt) + 12:
            token = int(_plain_logits(engine, ids)[-1].argmax())
            if token == engine.tokenizer.eos_token_id:
                break
            ids.append(token)
        assert list(completion.token_ids) == ids[len(prompt) :]


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_first_tokens_follow_the_model_distribution(engine, temperature):
    prompts = [engine.encode("what is 1?"), engine.encode("what is it")]
    requests = [Request(prompts[0], 1)] * 4000 + [Request(prompts[1], 3, written=engine.encode("ab"))] * 4000
    completions = engine.sample(requests, temperature=temperature, stop=(), seed=1)
    for read, mine, position in ((prompts[0], completions[:4000], 0), (prompts[1] + engine.encode("ab"), completions[4000:], 2)):
        expected = torch.softmax(_plain_logits(engine, read)[-1].double() / temperature, 0)
        tokens = [c.token_ids[position] if len(c.token_ids) > position else engine.tokenizer.eos_token_id for c in mine]
        counts = torch.bincount(torch.tensor(tokens), minlength=len(expected)).double()
        likely = expected * len(mine) >= 5
        observed = [*counts[likely].tolist(), float(counts[~likely].sum())]
        wanted = [*(expected[likely] * len(mine)).tolist(), float(expected[~likely].sum() * len(mine))]
        assert chisquare(observed, wanted).pvalue > 1e-4


def test_the_same_seed_gives_the_same_completions_whatever_the_callers_random_state(engine):
    requests = [Request(engine.encode(text), 10) for text in ("a", "bcd", "what is 7?")] * 3
    torch.manual_seed(5)
    first = engine.sample(requests, temperature=1.0, stop=(), seed=3)
    state = torch.get_rng_state()
    second = engine.sample(requests, temperature=1.0, stop=(), seed=3)
    assert first == second
    assert torch.equal(state, torch.get_rng_state())
    assert engine.sample(requests, temperature=1.0, stop=(), seed=4) != first


def test_written_tokens_and_the_length_limit_belong_to_the_whole_completion(engine):
    prompt, written = engine.encode("what?"), engine.encode("abc")
    for completion in engine.sample([Request(prompt, 8, written)] * 50, temperature=1.0, stop=(), seed=0):
        assert completion.token_ids[:3] == written
        assert len(completion.token_ids) <= 8
        assert engine.tokenizer.eos_token_id not in completion.token_ids
        assert (completion.finish_reason == "length") == (len(completion.token_ids) == 8)
        assert [completion.text[:end] for end in completion.token_ends] == [
            engine.tokenizer.decode(completion.token_ids[:t], skip_special_tokens=True) for t in range(1, len(completion.token_ids) + 1)
        ]


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_entropies_and_score_powers_are_those_of_the_distributions_that_tokens_were_drawn_from(engine, temperature):
    prompt, completions = engine.encode("what is 1?"), [engine.encode("abc"), (), engine.encode("7")]
    entropies = engine.entropies(prompt, completions, temperature)
    powers = engine.score_powers(prompt, completions, temperature)
    for ids, entropies_T, powers_T in zip(completions, entropies, powers, strict=True):
        logits_T_V = _plain_logits(engine, [*prompt, *ids])[len(prompt) - 1 : len(prompt) - 1 + len(ids)].double() / temperature
        log_T_V = logits_T_V.log_softmax(dim=1)
        assert entropies_T.tolist() == pytest.approx((-log_T_V.exp() * log_T_V).sum(dim=1).tolist(), abs=1e-4)
        scores_T_V = torch.eye(logits_T_V.shape[1], dtype=torch.float64)[list(ids)] - log_T_V.exp()
        assert powers_T.tolist() == pytest.approx(scores_T_V.square().sum(dim=1).tolist(), abs=1e-4)


def test_a_stop_string_ends_the_completion_and_is_cut_from_the_text(engine):
    completions = engine.sample([Request(engine.encode("what?"), 40)] * 200, temperature=1.5, stop=("e", "\nq"), seed=0)
    stopped = [completion for completion in completions if completion.finish_reason == "stop"]
    assert stopped
    for completion in completions:
        assert "e" not in completion.text
        assert "\nq" not in completion.text
        assert max(completion.token_ends, default=0) <= len(completion.text)
    assert any(engine.tokenizer.decode(completion.token_ids) == completion.text + "e" for completion in stopped)


@pytest.mark.parametrize("layer", [-1, 0, 1, 2])
def test_hidden_states_equal_a_plain_forward_pass(engine, layer):
    prompt = engine.encode("what is 12?")
    completions = [engine.encode(text) for text in ("a", "", "abc def", "12:7")]
    hidden = engine.hidden_states(prompt, completions, layer)
    for completion, found in zip(completions, hidden.completions, strict=True):
        with torch.inference_mode():
            output = engine.model(torch.tensor([list(prompt + completion)]), output_hidden_states=True)
        expected = output.hidden_states[layer][0]
        assert found.shape == (len(completion), expected.shape[1])
        torch.testing.assert_close(found, expected[len(prompt) :], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(hidden.prompt_T_D, expected[: len(prompt)], atol=1e-5, rtol=1e-4)


def test_a_tokenizer_without_a_token_to_pad_with(random_model, tmp_path):
    shutil.copytree(random_model, tmp_path / "model")
    for name in ("config", "generation_config", "tokenizer_config"):
        path = tmp_path / "model" / f"{name}.json"
        nothing = dict.fromkeys(("eos_token_id", "pad_token_id", "eos_token", "pad_token"))
        path.write_text(json.dumps({**json.loads(path.read_text()), **nothing}))
    with pytest.raises(Refused, match="give it a pad_token"):
        TransformersEngine(str(tmp_path / "model"))


def test_hidden_states_do_not_depend_on_the_batch(random_model, engine):
    small = TransformersEngine(str(random_model), batch_tokens=16)
    prompt = engine.encode("what?")
    completions = [engine.encode(text) for text in ("a", "abc def", "12:7", "zzzzzzzzz")]
    for one, other in zip(
        engine.hidden_states(prompt, completions).completions, small.hidden_states(prompt, completions).completions, strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
