"""What tests of several rooms share."""

import gc
import string

import pytest

import hista_repro.notebook_format  # noqa: F401  (before any test imports nbformat, which loads sooner this way)

_FIRST = ("test_notebooks_again", "test_runner_kills")
"""Modules that take minutes, and wait for much of them: beside them the fast tests run."""
_LONGEST = (
    *("test_rendered", "sveb/test_build.py", "test_real_models", "test_building", "test_using", "test_two_processes"),
    *("training/test_run.py", "test_warm", "test_estimator_search", "test_tiny_recipe", "test_evaluation", "test_runner_notebooks"),
    *("test_interactive_rollout", "test_batch"),
)
"""Of the other slow modules these begin first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items):
    def place(item, modules):
        return next((place for place, name in enumerate(modules) if name in item.nodeid), len(modules))

    def turn(item):
        return place(item, _FIRST), item.get_closest_marker("slow") is not None, place(item, _LONGEST)

    items.sort(key=turn)


def pytest_collection_finish():
    """Garbage collections, which every trainer asks for several times, need not look through all the libraries each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A folder with an untrained two-layer model over single characters: every token is likely, so every path is taken."""
    import torch  # here, since these take seconds, and the process that hands tests to others reads this file too
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "random"
    characters = ["<pad>", "<eos>", *string.digits, *string.ascii_lowercase, *" .?:\n"]
    tokenizer = Tokenizer(models.WordLevel({character: i for i, character in enumerate(characters)}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>").save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(characters),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        initializer_range=0.3,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder
