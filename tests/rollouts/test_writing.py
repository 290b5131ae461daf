from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare, kstest
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from hista_repro.problems.sources import load_problems
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.transformers_engine import TransformersEngine
from hista_repro.rollouts.writing import _BELOW_ONE, _where, draw


@pytest.mark.parametrize("words", [3, 256, 700])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equal_steps_of_the_share_give_tokens_in_proportion_to_their_probability(words, dtype):
    draws = 20_000
    logits = (3 * torch.randn(words, generator=torch.Generator().manual_seed(words))).to(dtype)
    shares = (torch.arange(draws, dtype=torch.float64) + 0.5) / draws
    counts = torch.bincount(draw(logits.expand(draws, -1), 0.7, shares), minlength=words).double()
    expected = torch.softmax(logits.double() / 0.7, 0) * draws
    assert float((counts - expected).abs().max()) < 1.01 + 1e-4 * draws * float(dtype == torch.bfloat16)


def test_the_ends_of_the_shares_fall_on_tokens_that_can_be_drawn():
    logits = torch.full((2, 1000), float("-inf"))
    logits[:, [300, 301, 800]] = torch.tensor([0.0, 1e-3, -1.0])
    assert draw(logits, 1.0, torch.tensor([0.0, _BELOW_ONE], dtype=torch.float64)).tolist() == [300, 800]


def test_temperature_zero_takes_the_likeliest():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert draw(logits, 0, torch.tensor([0.99, 0.99])).tolist() == [1, 0]


def test_logits_are_left_as_they_were():
    logits = torch.randn(4, 300)
    before = logits.clone()
    draw(logits, 0.5, torch.rand(4))
    assert torch.equal(before, logits)


def test_what_a_row_writes_does_not_depend_on_when_others_end(random_model):
    engine = TransformersEngine(str(random_model))
    long = [Request(engine.encode("what is 12?"), 30)] * 40
    alike = engine.sample(long, temperature=1.0, stop=(), seed=2)
    short = [request if row % 4 == 0 else replace(request, max_tokens=1 + row % 7) for row, request in enumerate(long)]
    mixed = engine.sample(short, temperature=1.0, stop=(), seed=2)
    for request, whole, cut in zip(short, alike, mixed, strict=True):
        assert cut.token_ids == whole.token_ids[: request.max_tokens]


def test_a_row_ends_with_its_stop_string_and_writes_nothing_after(random_model, monkeypatch):
    engine = TransformersEngine(str(random_model))
    asked = []
    forward = engine.model.forward

    def counted(*arguments, **options):
        asked.append(len(options["input_ids"]))
        return forward(*arguments, **options)

    monkeypatch.setattr(engine.model, "forward", counted)
    everything = tuple(engine.tokenizer.convert_ids_to_tokens(range(len(engine.tokenizer))))
    completions = engine.sample([Request(engine.encode("what?"), 40)] * 9, temperature=1.0, stop=everything, seed=0)
    assert asked == [9]
    assert all(completion.text == "" for completion in completions)


def test_a_stop_string_is_found_across_what_was_written_before(random_model):
    engine = TransformersEngine(str(random_model))
    ends = engine._decoder.watch(("abc",), [engine.encode("xab"), engine.encode("b"), ()])
    (a,), (b,), (c,) = (engine.encode(letter) for letter in "abc")
    assert ends(0, c)
    assert not ends(1, c)
    assert [ends(2, token) for token in (a, b, c)] == [False, False, True]


def test_a_stop_string_that_single_tokens_seem_to_spell_ends_nothing(random_model):
    """Some tokenizers drop a space that a token begins with when it is decoded alone."""
    engine = TransformersEngine(str(random_model))
    decoder = engine._decoder
    texts = {(11,): "a", (12,): "\n", (13,): "Q", (11, 12, 13): "a\n Q", (11, 12): "a\n"}
    decoder._text = lambda ids: texts.get(tuple(ids), "")
    ends = decoder.watch(("\nQ",), [()])
    assert [ends(0, token) for token in (11, 12, 13)] == [False, False, False]
    del decoder._text


def _saved(folder, tokenizer_of, config, kind):
    torch.manual_seed(0)
    kind(config).eval().save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer_of).save_pretrained(folder)
    return TransformersEngine(str(folder))


@pytest.fixture(scope="module")
def sizes(random_model):
    tokenizer = AutoTokenizer.from_pretrained(random_model)
    return {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, "pad_token_id": None}


def test_a_sliding_window_counts_what_was_read(random_model, sizes, tmp_path):
    config = MistralConfig(
        **{"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"sliding_window": 8, "max_position_embeddings": 64, **sizes},
    )
    engine = _saved(tmp_path, random_model, config, MistralForCausalLM)
    prompts = [engine.encode("what is 12 + " + rest) for rest in ("1?", "345?", "6 - 7 - 8?", "1?")]
    completions = engine.sample([Request(prompt, 14) for prompt in prompts], temperature=0, stop=(), seed=0)
    for prompt, completion in zip(prompts, completions, strict=True):
        assert list(completion.token_ids) == _greedy(engine, prompt, 14)


def test_rows_that_have_ended_do_not_run_out_of_positions(random_model, sizes, tmp_path):
    config = GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, **sizes)
    engine = _saved(tmp_path, random_model, config, GPT2LMHeadModel)
    prompt = (5,) * 40
    requests = [Request(prompt, 24, (6,) * 20)] + [Request(prompt, 24)] * 8
    completions = engine.sample(requests, temperature=0, stop=(), seed=0)
    assert list(completions[1].token_ids) == _greedy(engine, prompt, 24)
    assert list(completions[0].token_ids) == [6] * 20 + _greedy(engine, prompt + (6,) * 20, 4)


def _greedy(engine, prompt, most):
    """By one forward pass over one sequence for each token: no cache, no padding, no batch."""
    written = []
    while len(written) < most:
        with torch.inference_mode():
            token = int(engine.model(torch.tensor([[*prompt, *written]])).logits[0, -1].argmax())
        if token == engine.tokenizer.eos_token_id:
            break
        written.append(token)
    return written


def test_the_share_within_a_block_is_uniform_again():
    shares = torch.rand(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.tensor([0.2, 0.0, 0.5, 0.3])
    found, within = _where(weights.expand(5000, -1), shares)
    assert chisquare(torch.bincount(found, minlength=4)[weights > 0], (weights[weights > 0] * 5000).numpy()).pvalue > 1e-3
    for thing in (0, 2, 3):
        assert kstest(within[found == thing].numpy(), "uniform").pvalue > 1e-3


def test_completions_are_as_likely_as_the_entropy_of_the_model_says():
    """What is drawn from a distribution has its entropy as mean surprise; draws from a sharper one have less, from a flatter one more."""
    engine = TransformersEngine("tiny")
    prompts = [engine.encode(problem.problem) for problem in load_problems("arithmetic-steps", limit=20, seed=0)]
    asked = [prompt for prompt in prompts for _ in range(20)]
    completions = engine.sample([Request(prompt, 60) for prompt in asked], temperature=1.0, stop=(), seed=0)
    width = max(map(len, prompts)) + 60
    ids, acted = torch.full((len(asked), width), engine.tokenizer.pad_token_id), torch.zeros(len(asked), width - 1, dtype=torch.bool)
    for row, (prompt, completion) in enumerate(zip(asked, completions, strict=True)):
        whole = [*prompt, *[*completion.token_ids, engine.tokenizer.eos_token_id][:60]]
        ids[row, : len(whole)] = torch.tensor(whole)
        acted[row, len(prompt) - 1 : len(whole) - 1] = True
    with torch.inference_mode():
        chances = engine.model(ids).logits[:, :-1].log_softmax(-1)
    surprises = -chances.gather(-1, ids[:, 1:, None])[..., 0]
    excess = torch.where(acted, surprises + (chances.exp() * chances).sum(-1), 0).sum(-1)
    assert abs(float(excess.mean())) < 4 * float(excess.std()) / len(excess) ** 0.5
