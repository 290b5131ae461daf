import re
from pathlib import Path

import pytest

from hista_repro.artifacts.registry import ARTIFACTS, get_artifact
from hista_repro.errors import Refused

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=ARTIFACTS)
def test_every_artifact_has_its_notebook(artifact):
    assert (NOTEBOOKS / artifact.notebook).is_file()
    assert re.fullmatch(r"(table|figure)-\d\d|(audit|theory|extra)-[a-z0-9-]+", artifact.id)
    assert artifact.title and artifact.section and artifact.needs


def test_every_notebook_is_an_artifact():
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} == {artifact.notebook for artifact in ARTIFACTS.values()}


def test_an_artifact_is_found_by_its_id():
    assert get_artifact("table-04").notebook == "table_04.ipynb"


def test_an_unknown_id_is_refused_with_the_nearest_one():
    with pytest.raises(Refused, match="unknown artifact 'table-4'; did you mean 'table-04'"):
        get_artifact("table-4")
    with pytest.raises(Refused, match="there are table-01, "):
        get_artifact("zebra")
