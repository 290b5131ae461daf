import json

import numpy as np
import pandas as pd
import pytest

from hista_repro.artifacts.results import load_result, output_folder, save_result
from hista_repro.errors import Refused

BOOK = {"measured": [], "shown": {}, "verdict": {"word": "agrees", "findings": []}}


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_OUT", str(tmp_path / "run"))
    return tmp_path / "run"


def test_what_is_saved_is_loaded_with_its_provenance(out):
    rows = pd.DataFrame({"estimator": ["hista", "ppo-n"], "mae": [0.25, np.nan], "states": [3, 4]})
    save_result("table-04", {**BOOK, "rows": rows, "mean": np.float32(0.5), "count": np.int64(7), "builds": ({"model": "tiny"},)})
    result = load_result("table-04")
    assert result["rows"] == [{"estimator": "hista", "mae": 0.25, "states": 3}, {"estimator": "ppo-n", "states": 4}]
    assert (result["mean"], result["count"], result["builds"]) == (0.5, 7, [{"model": "tiny"}])
    assert result["artifact"] == "table-04"
    assert {"commit", "versions", "hardware"} <= set(result["provenance"])
    assert load_result("table-04", out) == result
    assert [path.name for path in (out / "results").iterdir()] == ["table-04.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("-inf")])
def test_a_number_that_is_not_finite_is_refused_and_the_old_result_kept(out, value):
    save_result("table-04", {**BOOK, "mae": {"tiny": [0.5]}})
    with pytest.raises(ValueError, match=r"table-04\.mae\.tiny\[1\] is -?(nan|inf)"):
        save_result("table-04", {**BOOK, "mae": {"tiny": [0.5, value]}})
    assert load_result("table-04")["mae"] == {"tiny": [0.5]}


@pytest.mark.parametrize("missing", BOOK)
def test_what_the_book_needs_must_be_there(out, missing):
    with pytest.raises(ValueError, match=f"the result of table-04 lacks '{missing}'"):
        save_result("table-04", {name: entry for name, entry in BOOK.items() if name != missing})
    assert not out.exists()


def test_an_unknown_artifact_is_refused_before_anything_is_written(out):
    with pytest.raises(Refused, match="unknown artifact"):
        save_result("table-99", BOOK)
    assert not out.exists()


def test_a_missing_result_says_how_to_make_it(out):
    with pytest.raises(Refused, match="hista-repro run table-04"):
        load_result("table-04")


def test_no_path_of_this_machine_is_written(out, tmp_path):
    save_result("table-04", {**BOOK, "mean": 0.5})
    assert str(tmp_path) not in json.dumps(load_result("table-04"))


def test_a_notebook_opened_by_hand_writes_to_its_checkout(tmp_path, monkeypatch):
    for name in ("HISTA_REPRO_OUT", "HISTA_REPRO_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert output_folder() == tmp_path / "notebooks" / "runs" / "interactive"
    (tmp_path / "_toc.yml").touch()
    assert output_folder() == tmp_path / "runs" / "interactive"
