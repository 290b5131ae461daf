import os

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from hista_repro.runner import keys
from hista_repro.runner.keys import content_key, package_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "package"
    for name in ("files.py", "estimators/hista.py", "models/tiny/model.safetensors", "runner/batch.py", "profiles/cpu.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    monkeypatch.setattr(keys, "_PACKAGE", root)
    return root


@pytest.fixture
def key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(source="x = 1", package="s", **parameters):
        return content_key(new_notebook(cells=[new_code_cell(source)]), parameters, package)

    return make


def changed(one, other):
    return one.differences({name: getattr(other, name) for name in ("notebook", "parameters", "source", "inputs")})


def test_the_same_request_has_the_same_key(key):
    assert changed(key(a=1, b=[1.5, {"c": None}]), key(b=[1.5, {"c": None}], a=1)) == []


def test_each_part_is_told_apart(key, tmp_path):
    assert changed(key("x = 1"), key("x = 2")) == ["notebook"]
    assert changed(key(a=1), key(a=1.0)) == ["parameters"]
    assert changed(key(package="s"), key(package="t")) == ["source"]
    before = key(path="data.jsonl")
    (tmp_path / "data.jsonl").write_text("1")
    assert changed(before, key(path="data.jsonl")) == ["inputs"]
    assert before.differences({}) == ["notebook", "parameters", "source", "inputs"]


def test_inputs_are_known_by_content(key, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    before = key(builds=[{"model": str(model)}])
    os.utime(model / "config.json", (1, 1))
    assert changed(before, key(builds=[{"model": str(model)}])) == []
    (model / "config.json").write_text("{ }")
    assert changed(before, key(builds=[{"model": str(model)}])) == ["inputs"]


def test_large_inputs_are_known_by_size_and_time(key, tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "_HASHED_WHOLE", 2)
    path = tmp_path / "weights"
    path.write_text("1234")
    os.utime(path, (1, 1))
    before = key(path="weights")
    path.write_text("5678")
    os.utime(path, (1, 1))
    assert changed(before, key(path="weights")) == []
    os.utime(path, (2, 2))
    assert changed(before, key(path="weights")) == ["inputs"]


@pytest.mark.parametrize("text", ["/", ".", "..", "", "no such file", "x" * 5000])
def test_text_that_is_no_input_is_not_read(key, text, tmp_path):
    before = key(separator=text)
    (tmp_path / "new").write_text("")
    assert changed(before, key(separator=text)) == []


def test_plugins_are_inputs(key, tmp_path, monkeypatch):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("ESTIMATORS = []")
    monkeypatch.setenv("HISTA_REPRO_PLUGINS", str(tmp_path / "plugins"))
    before = key()
    (tmp_path / "plugins" / "mine.py").write_text("ESTIMATORS = [1]")
    assert changed(before, key()) == ["inputs"]


@pytest.mark.parametrize("name", ["files.py", "estimators/hista.py", "models/tiny/model.safetensors"])
def test_source_that_computes_changes_the_digest(package, name):
    before = package_digest()
    (package / name).write_text("changed")
    assert package_digest() != before


def test_a_new_source_file_changes_the_digest(package):
    before = package_digest()
    (package / "estimators" / "mine.py").write_text("")
    assert package_digest() != before


@pytest.mark.parametrize("name", ["runner/batch.py", "profiles/cpu.yaml", "estimators/__pycache__/hista.pyc", "estimators/.hista.py.swp"])
def test_what_computes_nothing_does_not(package, name):
    before = package_digest()
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("changed")
    assert package_digest() == before
