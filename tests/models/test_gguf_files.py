import json
import os
import shutil
import signal
import threading

import numpy as np
import pytest
import torch
from gguf_made import CHAT, write_gguf

from forked import exit_code, start
from hista_repro.cli import main
from hista_repro.errors import Refused
from hista_repro.files import sha256_of
from hista_repro.models import gguf_files, load_model, resolve_model
from hista_repro.models.sizes import model_config, parameters_of

gguf = pytest.importorskip("gguf")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "packed.gguf", packed=True)


def folders(cache):
    return [path.name for path in cache.iterdir() if path.is_dir()] if cache.exists() else []


def test_weights_are_those_of_the_file_in_float16(cache, packed):
    from safetensors import safe_open

    folder = resolve_model(str(packed))
    names = {"token_embd.weight": "model.embed_tokens.weight", "blk.1.attn_q.bias": "model.layers.1.self_attn.q_proj.bias"}
    names["blk.1.ffn_down.weight"] = "model.layers.1.mlp.down_proj.weight"
    with safe_open(folder / "model.safetensors", "np") as kept:
        for tensor in gguf.GGUFReader(packed).tensors:
            if tensor.name in names:
                expected = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float16)
                assert np.array_equal(kept.get_tensor(names.pop(tensor.name)), expected)
    assert not names


def test_a_file_of_float32_loses_nothing(cache, tmp_path):
    file = write_gguf(tmp_path / "whole.gguf")
    assert json.loads((resolve_model(str(file)) / "config.json").read_text())["dtype"] == "float32"


def test_the_tokenizer_has_the_template_and_the_special_tokens_of_the_file(cache, packed):
    model, tokenizer = load_model(str(packed))
    assert tokenizer.chat_template == CHAT
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == ("<|im_end|>", "<|endoftext|>", None)
    assert model.generation_config.eos_token_id == [0, 2]
    text = tokenizer.apply_chat_template([{"role": "user", "content": "ab?"}], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, return_tensors="pt").input_ids
    assert tokenizer.convert_ids_to_tokens(ids[0])[0] == "<|im_start|>" and tokenizer.decode(ids[0]) == text
    with torch.inference_mode():
        assert model(ids).logits.isfinite().all()


def test_a_file_is_unpacked_once_however_it_is_called(cache, packed, tmp_path, monkeypatch):
    folder = resolve_model(str(packed))
    copy = shutil.copy(packed, tmp_path / "Copy.GGUF")
    monkeypatch.setattr(gguf_files, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert resolve_model(str(copy)) == folder
    assert folders(cache) == [folder.name]
    write_gguf(packed.with_name("other.gguf"), packed=True, scale=2)
    with pytest.raises(pytest.fail.Exception, match="unpacked again"):
        resolve_model(str(packed.with_name("other.gguf")))


def test_what_lies_beside_a_file_is_not_read(cache, packed):
    (packed.parent / "generation_config.json").write_text('{"eos_token_id": 7}')
    assert load_model(str(packed))[0].generation_config.eos_token_id == [0, 2]


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ({"architecture": "nonesuch"}, r"transformers \S+ cannot unpack \S+x\.gguf, whose architecture is 'nonesuch': .*"),
        ({"without": "blk.1.attn_q.weight"}, r"\S+x\.gguf lacks 1 weights of its architecture 'qwen2', model\.layers\.1\.\S+ among them"),
        ({"packed": True, "scale": 1e6}, r"\S+x\.gguf holds weights in \S+ that are not finite in torch\.float16; .*"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_file_that_makes_no_model_is_refused_in_one_sentence(cache, tmp_path, made, complaint):
    file = write_gguf(tmp_path / "x.gguf", **made)
    with pytest.raises(Refused, match=f"^{complaint}$"):
        resolve_model(str(file))
    assert folders(cache) == []


@pytest.mark.parametrize("kept", [4, 10, 24, 100, 1000, -5000, -1])
def test_a_file_that_is_cut_off_is_refused(cache, packed, tmp_path, kept):
    (tmp_path / "x.gguf").write_bytes(packed.read_bytes()[:kept])
    with pytest.raises(Refused, match=r"x\.gguf is cut off or damaged; fetch it again$"):
        resolve_model(str(tmp_path / "x.gguf"))
    assert folders(cache) == []


@pytest.mark.parametrize(("content", "complaint"), [(b"", "is empty"), (b"PK\x03\x04zip", r"is no GGUF file: it begins with b'PK")])
def test_other_files_are_refused(cache, tmp_path, content, complaint):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(Refused, match=complaint):
        resolve_model(str(tmp_path / "x.gguf"))


def test_a_file_that_is_not_there_is_refused_before_anything_is_written(cache, tmp_path, capsys):
    asked = ["sveb", "build", "--model", str(tmp_path / "no.gguf"), "--problems", "arithmetic-worked", "--out", str(tmp_path / "out")]
    assert main(asked) == 2
    said = capsys.readouterr().err.strip()
    assert said == f"hista-repro: cannot read the model file {tmp_path / 'no.gguf'}: No such file or directory"
    assert not cache.exists() and not (tmp_path / "out").exists()


def test_the_missing_package_is_named(cache, packed, monkeypatch):
    monkeypatch.setattr(gguf_files, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"unpacking \S+ needs the package gguf: pip install gguf$"):
        resolve_model(str(packed))


def test_a_cache_that_cannot_be_written_is_refused(packed, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HISTA_REPRO_CACHE", str(tmp_path / "file"))
    with pytest.raises(Refused, match=r"cannot keep .*packed\.gguf in .*HISTA_REPRO_CACHE"):
        resolve_model(str(packed))


def test_two_that_come_at_once_unpack_once(cache, packed, monkeypatch):
    read, times, found = gguf_files._read, [], []

    def slow(*arguments):
        times.append(arguments)
        threading.Event().wait(0.2)
        return read(*arguments)

    monkeypatch.setattr(gguf_files, "_read", slow)
    threads = [threading.Thread(target=lambda: found.append(resolve_model(str(packed)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 1 and len(set(found)) == 1 and len(found) == 4


def killed_while_saving(file):
    def half(model, tokenizer, folder):
        folder.mkdir()
        tokenizer.save_pretrained(folder)
        model.config.save_pretrained(folder)
        os.kill(os.getpid(), signal.SIGKILL)

    gguf_files.save_model = half
    resolve_model(file)


def test_a_kill_half_way_leaves_nothing_that_counts(cache, packed):
    assert exit_code(start(killed_while_saving, str(packed))) == -signal.SIGKILL
    [leftover] = folders(cache)
    assert leftover.endswith(".unpacking") and list((cache / leftover).rglob("config.json"))
    folder = resolve_model(str(packed))
    assert folders(cache) == [folder.name]
    shutil.move(folder, cache / "kept")
    assert sha256_of(resolve_model(str(packed))) == sha256_of(cache / "kept")


def test_sizes_are_known_without_unpacking(cache, packed):
    known = parameters_of(model_config(str(packed)))
    assert folders(cache) == []
    assert known == sum(parameter.numel() for parameter in load_model(str(packed))[0].parameters())
