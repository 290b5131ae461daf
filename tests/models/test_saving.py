import json

import pytest

from hista_repro.models import load_model
from hista_repro.models.saving import save_model


def test_a_saved_model_opens_again_beside_other_files(random_model, tmp_path):
    model, tokenizer = load_model(str(random_model))
    (tmp_path / "README.md").write_text("mine")
    save_model(model, tokenizer, tmp_path)
    again, _ = load_model(str(tmp_path))
    assert all((again.state_dict()[name] == tensor).all() for name, tensor in model.state_dict().items())
    assert (tmp_path / "README.md").read_text() == "mine"
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not list(tmp_path.glob(".saving-*"))
    assert all(file.stat().st_mode & 0o044 for file in tmp_path.iterdir())


def test_a_model_that_cannot_be_saved_whole_leaves_no_config(random_model, tmp_path, monkeypatch):
    model, tokenizer = load_model(str(random_model))

    def fail(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(type(tokenizer), "save_pretrained", fail)
    with pytest.raises(OSError, match="no space"):
        save_model(model, tokenizer, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []
