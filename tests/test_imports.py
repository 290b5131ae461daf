from pathlib import Path

import pytest

import hista_repro
from hista_repro.estimators.registry import _estimators
from hista_repro.imports import reached_files, strings_in

PACKAGE = Path(hista_repro.__file__).parent


def reached(code, *texts):
    return {path.relative_to(PACKAGE).as_posix() for path in reached_files(code, texts)}


@pytest.mark.parametrize(
    "code",
    [
        "import hista_repro.seeding",
        "import hista_repro.seeding as s",
        "from hista_repro import seeding",
        "from hista_repro.seeding import derive_seed",
        "def later():\n    from hista_repro.seeding import derive_seed",
        "command = ['python', '-m', 'hista_repro.seeding']",
    ],
)
def test_every_way_to_import_a_module_is_seen(code):
    assert reached(code) == {"__init__.py", "seeding.py"}


def test_what_imported_modules_import_is_reached_with_the_packages_and_data_around_them():
    found = reached("from hista_repro.sveb import record")
    assert {
        "sveb/__init__.py",
        "sveb/states.py",
        "seeding.py",
        "rollouts/transformers_engine.py",
        "problems/grading/math_worker.py",
    } <= found
    assert "models/tiny/model.safetensors" in found
    assert "paper/tables/table_04.csv" not in found and "artifacts/plotting.py" not in found


def test_estimators_are_reached_by_name_whole_or_in_pieces():
    score = "from hista_repro.sveb import score"
    assert "estimators/probe_loo.py" not in reached(score)
    for code in (f"{score}\nscore(folder, ['probe-loo'])", f"{score}\nkind = '-loo'\nscore(folder, [f'probe{{kind}}'])"):
        assert {"estimators/probe_loo.py", "estimators/probe_features.py"} <= reached(code)
    assert "estimators/probe_loo.py" in reached(score, "probe-loo")
    assert "estimators/probe_loo.py" in reached(f"{score}\nfrom hista_repro.estimators import available_estimators")


def test_every_estimator_lies_in_a_module_that_its_name_reaches():
    for name, estimator in _estimators("").items():
        modules = [path.stem for path in (PACKAGE / "estimators").glob("*.py") if f'"{name}"' in path.read_text()]
        modules.append(type(estimator).__module__.rpartition(".")[2])
        found = reached("from hista_repro.sveb import score", name)
        assert any(f"estimators/{module}.py" in found for module in modules), name


def test_other_packages_and_names_that_are_no_modules_reach_nothing():
    assert reached("import os.path\nfrom pandas import DataFrame\nx = 'hista_reproduced.files'") == set()
    assert reached("from hista_repro import no_such_module") == {"__init__.py"}


def test_strings_of_a_document():
    assert list(strings_in({"a": ["b", 1, {"c": None}], "d": ("e",)})) == ["a", "b", "c", "d", "e"]
