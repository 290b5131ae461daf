import tempfile
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hista_repro.errors import Refused
from hista_repro.runner.notebooks import (
    code_of,
    error_in,
    failure_of,
    read_notebook,
    scrub,
    with_outputs_of,
    without_injection,
    write_notebook,
)

HOME = Path("/home/someone")


def executed(*cells):
    """A notebook whose code cells ran in order; each is source, or source and outputs."""
    notebook = new_notebook(cells=[new_markdown_cell("# title")])
    for count, cell in enumerate(cells, start=1):
        source, *outputs = cell if isinstance(cell, tuple) else (cell,)
        notebook.cells.append(new_code_cell(source, execution_count=count, outputs=outputs))
    return notebook


def stream(text):
    return new_output("stream", name="stdout", text=text)


def test_a_whole_notebook_has_no_failure():
    assert failure_of(executed("1", ("print(2)", stream("2\n")))) is None
    assert failure_of(new_notebook()) is None


def test_empty_cells_do_not_count():
    notebook = executed("1", "2")
    notebook.cells.insert(1, new_code_cell("  \n"))
    assert failure_of(notebook) is None


def test_an_error_output_is_the_failure():
    error = new_output("error", ename="ValueError", evalue="bad\nmore", traceback=[])
    notebook = executed("1", ("2", error), "3")
    assert error_in(notebook) == failure_of(notebook) == "In [2] raised ValueError: bad"


@pytest.mark.parametrize("counts", [(1, None), (None, None), (1, 3), (2, 1), (None, 1)])
def test_cells_that_did_not_run_in_their_turn_are_a_failure(counts):
    notebook = executed("1", "2")
    notebook.metadata["papermill"] = {"exception": None, "end_time": "now"}
    for cell, count in zip(notebook.cells[1:], counts, strict=True):
        cell.execution_count = count
        cell.metadata["papermill"] = {"status": "completed"}
    assert error_in(notebook) is None
    assert failure_of(notebook) == f"In [{1 if counts[0] != 1 else 2}] did not run"


def test_the_code_is_independent_of_outputs_counts_prose_and_injected_values():
    parameters, injected = ({"tags": [tag]} for tag in ("parameters", "injected-parameters"))
    plain = new_notebook(cells=[new_markdown_cell("# t"), new_code_cell("x = 1", metadata=parameters)])
    ran = new_code_cell("x = 1", metadata=parameters, execution_count=1, outputs=[stream("x")])
    run = new_notebook(cells=[new_markdown_cell("# title"), ran, new_code_cell("x = 2", metadata=injected)])
    assert code_of(plain) == code_of(run)
    assert [cell.source for cell in without_injection(run).cells] == ["# title", "x = 1"]
    run.cells[1].metadata.tags = []
    assert code_of(plain) != code_of(run)


def test_prose_is_that_of_the_notebook_and_outputs_are_those_of_the_run():
    parameters, injected = ({"tags": [tag]} for tag in ("parameters", "injected-parameters"))
    before, given = [new_markdown_cell("Sizes.") for _ in range(2)], new_code_cell("x = 1", metadata=parameters, execution_count=1)
    handed = new_code_cell("x = 2", metadata=injected, execution_count=2)
    shown = new_code_cell("x", execution_count=3, outputs=[stream("2")])
    run = new_notebook(cells=[before[0], given, handed, before[1], shown], metadata={"widgets": {"a": 1}})
    captioned = new_code_cell("x", metadata={"mystnb": {"figure": {"caption": "X."}}}, outputs=[stream("1")])
    plain = new_notebook(
        cells=[new_markdown_cell("Better."), new_code_cell("x = 1", metadata=parameters), new_markdown_cell("Z"), captioned]
    )
    merged = with_outputs_of(plain, run)
    assert [cell.source for cell in merged.cells] == ["Better.", "x = 1", "x = 2", "Z", "x"]
    assert merged.cells[-1].outputs == [stream("2")] and merged.cells[-1].metadata == captioned.metadata
    assert [cell.execution_count for cell in merged.cells if cell.cell_type == "code"] == [1, 2, 3] and merged.metadata == run.metadata
    assert captioned.outputs == [stream("1")] and shown.metadata == {}


def scrubbed(*outputs):
    notebook = executed(("1", *outputs))
    scrub(notebook, {HOME / "book": ".", HOME / "book" / "runs" / "cpu": "$OUT", HOME: "~", Path("/"): "never"})
    return notebook.cells[-1].outputs


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("saved /home/someone/book/runs/cpu/results/a.json", "saved $OUT/results/a.json"),
        ("/home/someone/book/src/x.py:3: hm", "./src/x.py:3: hm"),
        ("in '/home/someone/.cache'", "in '~/.cache'"),
        ("file:///home/someone/book.", "file://.."),
        ("\x1b[32m/home/someone/book/x.py\x1b[0m", "\x1b[32m./x.py\x1b[0m"),
        ("/home/someone-else /home/someone.bak /mnt/home/someone", "/home/someone-else /home/someone.bak /mnt/home/someone"),
        ("3/4 of it", "3/4 of it"),
    ],
)
def test_paths_are_scrubbed_from_text(text, kept):
    assert scrubbed(stream(text))[0].text == kept


def test_paths_are_scrubbed_from_displayed_data_and_errors_but_not_from_pictures():
    data = {"text/html": "<i>/home/someone</i>", "application/json": {"a": ["/home/someone"]}, "image/png": "ab/home/someone/cd"}
    shown, error = scrubbed(
        new_output("display_data", data=data), new_output("error", ename="OSError", evalue="/home/someone/x", traceback=["/home/someone/y"])
    )
    assert shown.data == {"text/html": "<i>~</i>", "application/json": {"a": ["~"]}, "image/png": "ab/home/someone/cd"}
    assert (error.evalue, error.traceback) == ("~/x", ["~/y"])


def test_the_file_of_a_cell_has_no_process_number():
    assert scrubbed(stream(f"{tempfile.gettempdir()}/ipykernel_123/456.py:1: UserWarning"))[0].text == "cell:1: UserWarning"


def test_times_and_random_identifiers_go():
    notebook = executed("1")
    notebook.metadata["papermill"] = {"input_path": "/home/someone", "duration": 1.5}
    notebook.cells[1].metadata.update(papermill={"start_time": "now"}, execution={"iopub.status.busy": "now"}, tags=["injected-parameters"])
    scrub(notebook, {HOME: "~"})
    assert "papermill" not in notebook.metadata
    assert dict(notebook.cells[1].metadata) == {"tags": ["injected-parameters"]}
    assert notebook.cells[1]["id"] == "papermill-1"


def test_reading_what_was_written(tmp_path):
    path = tmp_path / "n.ipynb"
    write_notebook(path, executed("1"))
    assert code_of(read_notebook(path)) == code_of(executed("1"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}'])
def test_files_that_are_no_notebook_are_refused(tmp_path, text):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    with pytest.raises(Refused, match=r"n\.ipynb is no notebook"):
        read_notebook(path)


def test_a_notebook_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="there is no notebook"):
        read_notebook(tmp_path / "n.ipynb")
