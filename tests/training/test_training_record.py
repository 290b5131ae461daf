from pathlib import Path

import pytest

from hista_repro.errors import Refused
from hista_repro.training import record as module
from hista_repro.training.record import record

SETTINGS = {"model": "tiny", "problems": "arithmetic-steps", "limit": 8}


@pytest.fixture
def trained(monkeypatch):
    """The configurations that were asked of `train`."""
    asked = []

    def train(config):
        asked.append(config)
        Path(config.out).mkdir(exist_ok=True)

    monkeypatch.setattr(module, "train", train)
    return asked


def test_the_same_settings_share_a_folder(trained, tmp_path):
    folders = [record(settings, tmp_path) for settings in (SETTINGS, {**SETTINGS, "out": "elsewhere"}, {**SETTINGS, "seed": 1})]
    assert folders[0] == folders[1] != folders[2]
    assert [Path(config.out) for config in trained] == folders
    assert all(folder.parent == tmp_path and folder.name.startswith("training-tiny-") for folder in folders)


def test_another_model_is_another_run(trained, tmp_path):
    model = tmp_path / "tiny"
    model.mkdir()
    for weights in ("first", "second"):
        (model / "config.json").write_text(f'{{"model_type": "qwen2", "note": "{weights}"}}')
        record({**SETTINGS, "model": str(model)}, tmp_path / "records")
    assert trained[0].out != trained[1].out


def test_settings_that_do_not_exist_are_refused_before_anything_is_written(trained, tmp_path):
    with pytest.raises(Refused, match="no setting 'sed'"):
        record({**SETTINGS, "sed": 1}, tmp_path / "records")
    assert not trained and not (tmp_path / "records").exists()


EDITS = [("poise_token", False), ("score", False), *[(stem, True) for stem in ("hista_loo", "own_weight", "seeding", "judge", "trainer")]]
"""Modules, and whether a run depends on them."""


@pytest.mark.parametrize(("edited", "another"), EDITS)
def test_a_run_outlives_changes_to_what_it_does_not_use(trained, tmp_path, monkeypatch, edited, another):
    settings = {**SETTINGS, "estimator": "hista-loo"}
    before = record(settings, tmp_path)
    whole = module.code_digest
    monkeypatch.setattr(module, "code_digest", lambda *paths: "edited" if any(path.stem == edited for path in paths) else whole(*paths))
    assert (record(settings, tmp_path) != before) is another
