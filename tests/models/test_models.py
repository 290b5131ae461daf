import socket
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hista_repro.errors import Refused
from hista_repro.models import BUNDLED, load_model, resolve_model
from hista_repro.problems import load_problems


@pytest.fixture
def no_network(monkeypatch):
    """No socket can be opened, and transformers has not been told to stay offline."""

    def refuse(*_, **__):
        pytest.fail("tried to open a socket")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_tiny_is_an_ordinary_folder_within_the_package():
    folder = resolve_model("tiny")
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "README.md"}
    assert names <= {file.name for file in folder.iterdir()}
    assert (folder / "model.safetensors").stat().st_size < 5_000_000
    assert "tiny" in BUNDLED


def test_bundled_and_local_models_open_without_the_network(no_network, random_model):
    for name in ("tiny", str(random_model)):
        model, tokenizer = load_model(name)
        assert not model.training and model.dtype == torch.float32
        assert tokenizer.is_fast


def test_another_dtype_can_be_had(random_model):
    model, _ = load_model(str(random_model), dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16


def test_the_auto_classes_open_tiny_and_left_padded_batches_equal_single_prompts():
    folder = resolve_model("tiny")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    questions = [problem.problem for problem in load_problems("arithmetic-steps", limit=6)] + ["2-9-3+25?"]
    batch = tokenizer(questions, padding=True, return_tensors="pt")
    assert batch["attention_mask"][:, -1].all() and not batch["attention_mask"][:, 0].all()
    together = model.generate(**batch, do_sample=False, max_new_tokens=100)
    for question, row in zip(questions, together, strict=True):
        alone = model.generate(**tokenizer(question, return_tensors="pt"), do_sample=False, max_new_tokens=100)
        texts = tokenizer.batch_decode([row, alone[0]], skip_special_tokens=True)
        assert texts[0] == texts[1] and "A:" in texts[0]
        assert alone[0, -1] == tokenizer.eos_token_id


def test_the_tokenizer_of_tiny_gives_back_any_text():
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("tiny"))
    for text in ("2-9=-7;-7-3=-10A:-10", "What is 1 + 2?\n\tÜber 你好 ."):
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(tokenizer.encode(text)) == len(text.encode())


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no/such/folder/anywhere", "no model folder 'no/such/folder/anywhere'.*tiny, smollm2-135m"),
        ("two words", "no model folder 'two words'"),
        ("", "no model folder ''"),
    ],
)
def test_names_that_can_be_no_model_are_refused_without_the_network(name, complaint, no_network):
    with pytest.raises(Refused, match=complaint):
        resolve_model(name)


def test_a_folder_without_a_model_is_refused(tmp_path, no_network):
    with pytest.raises(Refused, match=r"config\.json"):
        resolve_model(str(tmp_path))


def test_a_folder_that_transformers_cannot_open_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Refused, match="transformers cannot open"):
        load_model(str(tmp_path))


def test_an_unreachable_hub_is_one_sentence(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route to host\nand a long story")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(Refused, match=r"'some/model' is neither one of tiny, smollm2-135m, .* nor a local folder.*no route to host$"):
        resolve_model("some/model")


def test_the_hub_gives_pickled_weights_only_where_there_are_no_others(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def give(name, allow_patterns, ignore_patterns):
        asked.append(allow_patterns)
        for file in ("config.json", *(["pytorch_model.bin"] if "*.bin" in allow_patterns else [])):
            (tmp_path / file).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    assert resolve_model("some/model") == tmp_path
    assert ["*.bin" in patterns for patterns in asked] == [False, True]


def test_resolving_a_name_does_not_import_torch():
    code = "import sys; from hista_repro.models import resolve_model; resolve_model('tiny'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
