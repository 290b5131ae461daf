"""Executed notebooks, run a second time: what they promise to show must come out the same."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.checkout import records_home
from hista_repro.runner import run
from hista_repro.runner.notebooks import failure_of
from hista_repro.runner.warm import write_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory) -> Path:
    """A run folder of the smoke profile: the one in `HISTA_REPRO_SMOKE_RUN`, else one that is made here."""
    if named := os.environ.get("HISTA_REPRO_SMOKE_RUN"):
        return Path(named).resolve()
    folder = tmp_path_factory.mktemp("smoke")
    outcomes = run(profile="smoke", out=folder, root=CHECKOUT)
    assert [outcome.error for outcome in outcomes if outcome.state != "done"] == []
    return folder


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=ARTIFACTS)
def test_the_run_left_a_whole_notebook_with_its_result_and_figures(smoke_run, artifact):
    notebook = nbformat.read(smoke_run / "notebooks" / artifact.notebook, as_version=4)
    assert failure_of(notebook) is None
    assert any("nbval-check-output" in cell.metadata.get("tags", []) for cell in notebook.cells)
    assert (smoke_run / "results" / f"{artifact.id}.json").is_file()
    assert {path.suffix for path in (smoke_run / "figures").glob(f"{artifact.id}*")} == {".png", ".svg", ".pdf"}


def test_a_second_execution_shows_the_same(smoke_run, tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-cell-timeout=300"]
    command += ["--nbval-sanitize-with", str(Path(__file__).with_name("nbval_sanitize.cfg")), str(smoke_run / "notebooks")]
    (tmp_path / "pytest.ini").touch()  # ours leaves nbval out
    command += ["-c", str(tmp_path / "pytest.ini")]
    write_kernel(tmp_path / "jupyter")
    environment = {
        "JUPYTER_PATH": str(tmp_path / "jupyter"),
        "HISTA_REPRO_OUT": str(tmp_path / "out"),
        "HISTA_REPRO_RECORDS": str(records_home(CHECKOUT)),
        "HISTA_REPRO_PROGRESS_FILE": str(tmp_path / "progress"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "OMP_NUM_THREADS": "1",
    }
    before = folders_in(records_home(CHECKOUT))
    ended = subprocess.run(command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert folders_in(records_home(CHECKOUT)) == before != set(), "what the first execution made was made again"


def folders_in(home: Path) -> set[Path]:
    return {path for path in home.iterdir() if path.is_dir()}
