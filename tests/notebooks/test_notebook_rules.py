"""The house rules for notebooks, read from the files alone."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.runner import load_profile
from hista_repro.runner.notebooks import failure_of
from hista_repro.runner.parameters import read_parameters

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(/(home|root|tmp|work|Users|usr|opt|mnt|data|var)/|[A-Z]:\\)")
DRAWING = re.compile(r"^(plt|sns|ax(is|es)?\w*)$")


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert PATHS


def test_a_notebook_is_read_in_one_sitting(notebook):
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 25
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_opens_with_its_only_title(notebook):
    titles = [cell for cell in notebook.cells if cell.cell_type == "markdown" and re.search(r"^# ", cell.source, re.MULTILINE)]
    assert titles == notebook.cells[:1]


def test_cells_have_names_of_their_own(notebook):
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", name) for name in names)


def test_parameters_are_literals_with_a_type(path, notebook):
    read_parameters(notebook, path.name)  # refuses what is no literal
    for cell in code_of(notebook):
        if "parameters" in cell.metadata.get("tags", []):
            assert all(isinstance(statement, ast.AnnAssign) for statement in ast.parse(cell.source).body)


def test_the_defaults_are_the_sizes_of_the_smoke_profile(path, notebook):
    (artifact,) = [artifact for artifact in ARTIFACTS.values() if artifact.notebook == path.name]
    sizes = load_profile("smoke").artifacts[artifact.id]
    defaults = {name: parameter.default for name, parameter in read_parameters(notebook, path.name).items()}
    assert sizes == {name: defaults[name] for name in sizes}


def test_no_cell_ends_in_a_semicolon_or_a_bare_artist(notebook):
    for cell in code_of(notebook):
        assert not cell.source.rstrip().endswith(";")
        match ast.parse(cell.source).body[-1:]:
            case [ast.Expr(ast.Call(ast.Attribute(value=ast.Name(id=name))))]:
                assert not DRAWING.match(name), f"{cell.id} ends in an artist"


def test_figures_are_described_and_captioned(notebook):
    for cell in code_of(notebook):
        if "save_figure(" in cell.source:
            shown = cell.metadata["mystnb"]
            assert len(shown["image"]["alt"]) > 40
            assert shown["figure"]["caption"] and shown["figure"]["name"].startswith("fig-")


def test_no_path_of_a_machine_is_kept(notebook):
    for cell in notebook.cells:
        texts = [cell.source, json.dumps([_text_of(output) for output in cell.get("outputs", [])])]
        assert not any(ABSOLUTE_PATH.search(text) for text in texts), cell.id


def test_no_warning_and_no_error_is_kept(notebook):
    for cell in code_of(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id


def test_every_cell_was_executed_in_order(notebook):
    assert failure_of(notebook) is None, "run `make refresh-notebooks`"


def _text_of(output):
    data = output.get("data", {})
    return output.get("text", "") + "".join(value for kind, value in data.items() if kind.startswith("text/"))
