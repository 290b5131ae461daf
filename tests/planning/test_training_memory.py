"""Memory against torch's own tensors, against the paper on ZeRO, and for the settings of the paper."""

from dataclasses import replace

import pytest
import torch
from transformers import DynamicCache

from hista_repro.models import load_model
from hista_repro.models.sizes import cache_bytes_per_token, model_config
from hista_repro.planning.training_memory import Launch, activation_bytes, memory_of, memory_table, sharded
from hista_repro.training.config import TrainConfig
from hista_repro.training.presets import PRESETS


@pytest.mark.parametrize(
    ("stage", "gigabytes"),
    [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)],  # arXiv 1910.02054, figure 1: 7.5 billion parameters on 64 GPUs
)
def test_zero_shares_out_what_its_paper_says(stage, gigabytes):
    assert sum(sharded(7_500_000_000, Launch(64, stage))) / 1e9 == pytest.approx(gigabytes, abs=0.05)


def test_what_the_cpu_keeps_is_not_on_the_gpu():
    assert sharded(100, Launch(4, 3, offloads=True)) == (0, 50, 0)


def test_the_cache_is_that_of_a_model():
    network = load_model("tiny", dtype=torch.bfloat16)[0]
    cache = DynamicCache()
    with torch.no_grad():
        network(input_ids=torch.ones(3, 17, dtype=torch.long), past_key_values=cache, use_cache=True)
    held = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert held == cache_bytes_per_token(network.config) * 3 * 17


def test_activations_are_near_what_autograd_keeps():
    """Of one layer without checkpointing; autograd also keeps the small statistics of norms and some of a tensor twice."""
    network = load_model("tiny", dtype=torch.bfloat16)[0].train()
    kept: dict[int, int] = {}

    def keep(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = 4 * 64
    decoder = network.get_decoder()
    hidden = torch.randn(4, 64, network.config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    embeddings = decoder.rotary_emb(hidden, torch.arange(64)[None])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = decoder.layers[0](hidden, position_embeddings=embeddings, attention_mask=None)
    counted = activation_bytes(network.config, tokens) - 2 * tokens * network.config.num_hidden_layers * network.config.hidden_size
    assert output is not None
    assert counted == pytest.approx(sum(kept.values()), rel=0.35)


def test_without_vllm_the_cache_of_all_that_is_drawn_is_counted():
    settings = {"model": "tiny", "problems": "arithmetic-steps", "out": "none", "prompts": 2, "group_size": 4, "max_tokens": 88}
    once, twice = (memory_of(TrainConfig.from_dict({**settings, "oversampling": times}), Launch(2), 0) for times in (1, 2))
    assert once.hidden == 0
    assert once.generation == cache_bytes_per_token(model_config("tiny")) * 4 * (512 + 88)
    assert (twice.generation, twice.training) == (2 * once.generation, once.training)


def test_hidden_states_are_counted_for_the_estimator_of_the_preset(monkeypatch):
    monkeypatch.setitem(PRESETS, "rloo", replace(PRESETS["rloo"], estimator="hista-loo"))
    settings = {"model": "tiny", "problems": "arithmetic-steps", "out": "none", "preset": "rloo"}
    plain, silent, named = (
        memory_of(TrainConfig.from_dict({**settings, "estimator": name}), Launch(1), 0).hidden for name in ("none", None, "hista-loo")
    )
    assert (plain, silent) == (0, named) and named > 0


def test_the_table_of_the_papers_settings():
    table = memory_table()
    assert len(table) == 6 and (table > -1e-9).all().all()
    assert table.loc["qwen2.5-14b-dapo-hista", "weights"].item() == pytest.approx(2 * 14.77 / 16, rel=1e-3)
    reads = table["hidden"]
    assert reads.loc["r1-distill-1.5b-dapo-hista"].item() == pytest.approx(4 * 128 / 32 * (512 + 8192) * 1536 / 1e9)
