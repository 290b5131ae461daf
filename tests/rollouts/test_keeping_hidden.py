import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.packed_linear import PackedLinear, can_pack, pack
from hista_repro.rollouts.transformers_engine import TransformersEngine


@pytest.fixture(scope="module")
def engine():
    return TransformersEngine("tiny")


@pytest.mark.parametrize("stop", [(), (";",), ("+", "-")])
@pytest.mark.parametrize("batch_tokens", [1 << 15, 200])
def test_hidden_states_kept_while_sampling_are_those_read_afterwards(engine, stop, batch_tokens):
    engine.batch_tokens = batch_tokens
    prompts = [engine.encode(text) for text in ("12+3?", "what?")]
    requests = [Request(prompt, limit) for prompt in prompts for limit in (1, 7, 40, 40, 40, 40)]
    completions = engine.sample(requests, temperature=1.0, stop=stop, seed=2, keep_hidden=True)
    assert completions == engine.sample(requests, temperature=1.0, stop=stop, seed=2)
    assert {completion.finish_reason for completion in completions} == {"stop", "length"}
    for request, completion in zip(requests, completions, strict=True):
        (read_T_D,) = engine.hidden_states(request.prompt, [completion.token_ids]).completions
        torch.testing.assert_close(completion.hidden_T_D, read_T_D, atol=1e-4, rtol=1e-4)


def test_of_a_continuation_only_new_tokens_have_hidden_states(engine):
    prompt = engine.encode("12+3?")
    written = engine.sample([Request(prompt, 9)], temperature=0, stop=(), seed=0)[0].token_ids[:4]
    (completion,) = engine.sample([Request(prompt, 30, written)], temperature=0, stop=(), seed=0, keep_hidden=True)
    (read_T_D,) = engine.hidden_states(prompt, [completion.token_ids]).completions
    torch.testing.assert_close(completion.hidden_T_D, read_T_D[4:], atol=1e-4, rtol=1e-4)


def test_what_is_told_adds_up_to_what_was_written(engine):
    told = []
    engine.report = lambda *amounts: told.append(amounts)
    completions = engine.sample([Request(engine.encode("12+3?"), 40)] * 5, temperature=1.0, stop=(), seed=0)
    tokens, ended = (sum(column) for column in zip(*told, strict=True))
    ends = sum(completion.finish_reason == "stop" for completion in completions)  # tokens that end a sequence are not kept
    assert (tokens, ended) == (sum(len(completion.token_ids) for completion in completions) + ends, 5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_packed_layers_compute_the_same(tied, rows):
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 160}
    model = LlamaForCausalLM(LlamaConfig(**shape, tie_word_embeddings=tied)).eval().bfloat16()
    ids = torch.randint(0, 160, (rows, 7))
    with torch.inference_mode():
        before = model(ids).logits
        assert can_pack(model)
        pack(model)
        after = model(ids).logits
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert all(isinstance(layer, PackedLinear) for layer in layers)
    assert sum(layer.weight.numel() > 0 for layer in layers) == tied  # the head shares its weight with the embeddings
    torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)


def test_models_in_float32_are_left_alone():
    assert not can_pack(nn.Linear(2, 2)) and not any(
        isinstance(module, PackedLinear) for module in TransformersEngine("tiny").model.modules()
    )
