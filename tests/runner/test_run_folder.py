import json

import pytest
from nbformat.v4 import new_notebook

from hista_repro.runner.keys import ContentKey
from hista_repro.runner.processes import identity
from hista_repro.runner.run_folder import RunFolder

KEY = ContentKey("n", "p", "s", "i")


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def running(process):
    return {"id": "table-01", "status": "running", "started": "then", "process": process}


def test_the_log_keeps_events_in_order(folder):
    for number in range(3):
        folder.log({"number": number, "text": "é"})
    assert folder.read_log() == [{"number": number, "text": "é"} for number in range(3)]


def test_a_torn_line_is_left_out_and_does_not_spoil_the_next(folder, tmp_path):
    folder.log({"number": 0})
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"number": 1, "te')
    assert folder.read_log() == [{"number": 0}]
    folder.log({"number": 2})
    assert folder.read_log() == [{"number": 0}, {"number": 2}]


def test_without_a_log_there_are_no_events(folder):
    assert folder.read_log() == []


def test_a_running_process_is_told_from_one_that_has_gone(folder):
    assert folder.stamp("table-01") is None
    folder.write_stamp(running(identity()))
    assert folder.stamp("table-01")["status"] == "running"
    folder.write_stamp(running(identity() | {"started": identity()["started"] - 3600}))  # the number was given to another process
    assert folder.stamp("table-01")["status"] == "interrupted"
    folder.write_stamp(running({"pid": 2**22 + 1, "started": 0.0}))
    assert folder.stamp("table-01")["status"] == "interrupted"


def test_recovery_writes_down_what_was_interrupted(folder, tmp_path):
    folder.write_stamp(running({"pid": 2**22 + 1, "started": 0.0}))
    folder.write_stamp({"id": "table-02", "status": "done"})
    folder.staging("table-01").mkdir(parents=True)
    folder.recover()
    assert json.loads((tmp_path / "status" / "table-01.json").read_text()) == {"id": "table-01", "status": "interrupted", "started": "then"}
    assert folder.stamp("table-02")["status"] == "done"
    assert [event["status"] for event in folder.read_log()] == ["interrupted"]
    assert not (tmp_path / ".staging").exists()


def test_an_unreadable_status_file_counts_as_none(folder, tmp_path):
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "table-01.json").write_text('{"status": "do')
    assert folder.stamp("table-01") is None


def test_installing_moves_everything_and_removes_what_is_no_longer_made(folder, tmp_path):
    out = tmp_path / ".staging" / "table-01" / "out"
    for path in ("results/table-01.json", "figures/table-01.png"):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text("new")
    for path in ("figures/table-01-old.png", "failed/t.ipynb", "results/table-01.json", "results/table-02.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("old")
    made = folder.install(out, "t.ipynb", new_notebook(), before=["figures/table-01-old.png", "results/table-01.json", "notebooks/t.ipynb"])
    assert sorted(made) == ["figures/table-01.png", "notebooks/t.ipynb", "results/table-01.json"]
    kept = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert kept.keys() == {*made, "results/table-02.json"}
    assert kept["results/table-01.json"] == "new"


def test_outdated_names_what_changed(folder, tmp_path):
    stamp = {"key": {"notebook": "n", "parameters": "p", "source": "s", "inputs": "i"}, "outputs": ["a"]}
    assert folder.outdated(stamp, KEY) == ["outputs"]
    (tmp_path / "a").write_text("")
    assert folder.outdated(stamp, KEY) == []
    assert folder.outdated(stamp, ContentKey("n", "p", "other", "i")) == ["source"]
