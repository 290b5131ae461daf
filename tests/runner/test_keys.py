import os

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from hista_repro.runner import keys
from hista_repro.runner.keys import content_key

FILES = {
    "__init__.py": "",
    "files.py": "",
    "estimators/__init__.py": "from hista_repro.estimators import registry",
    "estimators/registry.py": "",
    "estimators/hista.py": "from hista_repro.estimators import nodes",
    "estimators/ramp.py": "",
    "estimators/nodes.py": "",
    "scoring.py": "from hista_repro import estimators",
    "tables.py": "from hista_repro.files import read",
    "models/__init__.py": "",
    "models/tiny/model.safetensors": "weights",
    "artifacts/__init__.py": "",
    "artifacts/registry.py": "",
    "artifacts/results.py": "from hista_repro.artifacts.registry import ARTIFACTS",
    "runner/__init__.py": "",
    "profiles/cpu.yaml": "",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "package"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(keys, "_PACKAGE", root)
    return root


@pytest.fixture
def key(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(*sources, **parameters):
        return content_key(new_notebook(cells=[new_code_cell(source) for source in sources or ("x = 1",)]), parameters)

    return make


def changed(one, other):
    return one.differences({name: getattr(other, name) for name in ("notebook", "parameters", "source", "inputs")})


def test_the_same_request_has_the_same_key(key):
    assert changed(key(a=1, b=[1.5, {"c": None}]), key(b=[1.5, {"c": None}], a=1)) == []


def test_each_part_is_told_apart(key, tmp_path):
    assert changed(key("x = 1"), key("x = 2")) == ["notebook"]
    assert changed(key(a=1), key(a=1.0)) == ["parameters"]
    assert changed(key("import os"), key("import hista_repro")) == ["notebook", "source"]
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


SCORING = ("from hista_repro.scoring import score", "score('hista')")


def edited(package, key, name, *sources):
    """What changes of the key of a notebook when the file `name` is edited."""
    before = key(*sources)
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("edited = 1")
    return changed(before, key(*sources))


@pytest.mark.parametrize("name", ["__init__.py", "scoring.py", "estimators/hista.py", "estimators/nodes.py", "estimators/registry.py"])
def test_what_a_notebook_reaches_is_part_of_its_key(package, key, name):
    assert edited(package, key, name, *SCORING) == ["source"]


@pytest.mark.parametrize(
    "name", ["files.py", "tables.py", "estimators/ramp.py", "estimators/mine.py", "runner/batch.py", "profiles/cpu.yaml"]
)
def test_what_it_does_not_reach_is_not(package, key, name):
    assert edited(package, key, name, *SCORING) == []


def test_another_artifact_in_the_list_changes_no_result(package, key):
    source = "from hista_repro.artifacts import results"
    assert edited(package, key, "artifacts/registry.py", source) == []
    assert edited(package, key, "artifacts/results.py", source) == ["source"]


def test_data_belong_to_the_package_around_them(package, key):
    assert edited(package, key, "models/tiny/model.safetensors", "import hista_repro.models") == ["source"]
    assert edited(package, key, "models/tiny/model.safetensors", "import hista_repro.tables") == []


def test_an_estimator_that_a_parameter_names_is_reached(package, key):
    before = key("import hista_repro.scoring", names=["hista"])
    (package / "estimators" / "hista.py").write_text("edited = 1")
    assert changed(before, key("import hista_repro.scoring", names=["hista"])) == ["source"]


def test_magics_are_no_obstacle_and_what_cannot_be_read_reaches_everything(package, key):
    assert edited(package, key, "files.py", "%matplotlib inline\nimport hista_repro.scoring") == []
    assert edited(package, key, "tables.py", "import hista_repro.scoring as") == ["source"]


def test_leftovers_in_the_package_are_nothing(package, key):
    for name in ("estimators/__pycache__/hista.pyc", "estimators/.hista.py.swp"):
        assert edited(package, key, name, *SCORING) == []
