import nbformat
import pytest
import yaml

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.pages import findings, heading, provenance_note, result_entry, status_table
from hista_repro.book.runs import shown_runs
from hista_repro.book.staging import stage


@pytest.fixture
def source(checkout, tmp_path):
    return tmp_path / "source"


def test_every_page_of_the_contents_is_staged(checkout, record_run, source):
    record_run("table-04", "runs/cpu", "cpu")
    stage(checkout, source, shown_runs(checkout))
    contents = yaml.safe_load((source / "_toc.yml").read_text())
    pages = [contents["root"], *files_in(contents["parts"])]
    for page in pages:
        assert any((source / page).with_suffix(suffix).is_file() for suffix in (".md", ".ipynb")), page
    assert {f"notebooks/{artifact.notebook.removesuffix('.ipynb')}" for artifact in ARTIFACTS.values()} <= set(pages)


def files_in(entries):
    """The files of chapters, and of the sections below them."""
    for entry in entries:
        yield from [entry["file"]] if "file" in entry else []
        yield from files_in(entry.get("chapters", entry.get("sections", [])))


def test_a_notebook_says_below_its_title_where_it_comes_from(checkout, record_run, source):
    record_run("table-04", "runs/cpu", "cpu", dirty=True)
    stage(checkout, source, shown_runs(checkout))
    title, note, *_ = nbformat.read(source / "notebooks" / "table_04.ipynb", as_version=4).cells
    assert title.source == "# Table 4"
    for part in (
        "hista-repro run table-04 --profile cpu",
        "tiny",
        "**Seeds:** 7",
        "21 November 2026, 5 min 12 s",
        "`0123456789` with changes",
    ):
        assert part in note.source
    for part in ("2 cores of Some CPU, 8.0 GiB of memory", "python 3.12.1"):
        assert part in note.source
    assert "Older than the code" not in note.source


@pytest.mark.parametrize(("cell_type", "prose"), [("markdown", "Better words."), ("code", "# Table 4")])
def test_prose_is_that_of_the_checkout_as_long_as_code_is(checkout, record_run, source, cell_type, prose):
    run = record_run("table-04", "results/cpu", "cpu")
    path = checkout / "notebooks" / "table_04.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# Table 4"
    notebook.cells[-1] = nbformat.v4.new_code_cell("verdict", outputs=[nbformat.v4.new_output("stream", text="measured")])
    nbformat.write(notebook, run / "notebooks" / "table_04.ipynb")
    notebook.cells[-1].outputs = []
    notebook.cells[0].source = "Better words."
    if cell_type == "code":
        notebook.cells[-1].source = "other"
    nbformat.write(notebook, path)
    stage(checkout, source, shown_runs(checkout))
    cells = nbformat.read(source / "notebooks" / "table_04.ipynb", as_version=4).cells
    assert cells[0].source == prose and cells[-1].outputs[0].text == "measured"


def test_a_page_says_when_it_is_older_than_the_code(checkout, record_run):
    stale = {"notebook": "other", "parameters": "", "source": "", "inputs": ""}
    record_run("table-04", "runs/cpu", "cpu", key=stale)
    run = shown_runs(checkout)["table-04"]
    assert "Older than the code" in provenance_note(run)
    assert "the notebook’s code and the sizes and the code and the input files changed" in provenance_note(run)


def test_an_artifact_without_a_run_has_a_page_that_says_how_to_make_it(checkout, source):
    stage(checkout, source, shown_runs(checkout))
    page = (source / "notebooks" / "figure_07.md").read_text()
    assert page.startswith("# Figure 7: how far Numca moves")
    assert "Not run here yet" in page and "hista-repro run figure-07" in page
    assert not (source / "notebooks" / "figure_07.ipynb").exists()


@pytest.mark.parametrize(
    ("artifact_id", "head"),
    [
        ("figure-01", "Figure 1: DAPO with and without Hista"),
        ("figure-03", "Figure 3: GRPO with and without Numca"),
        ("table-10", "Table 10: Hista by distance"),
        ("table-01", "Table 1: error of PPO's critics"),
        ("theory-assumptions", "Theory assumptions: theorems 5.2 and 5.5 by numbers"),
    ],
)
def test_a_heading_keeps_names_as_they_are(artifact_id, head):
    assert heading(ARTIFACTS[artifact_id]) == head


def test_a_run_that_tested_no_claim_has_no_size_beside_its_word(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    run = shown_runs(checkout)["table-04"]
    assert result_entry(ARTIFACTS["table-04"], run)["size"] == "cpu profile, 21 November 2026"
    run.result["verdict"]["word"] = "not run"
    entry = result_entry(ARTIFACTS["table-04"], run)
    assert entry["size"] == "" and "(cpu profile, 21 November 2026)" in entry["source"]


def test_findings_join_the_measurements_of_a_claim(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    text = findings(shown_runs(checkout))
    assert "| Claim | Paper | tiny | large | Verdict |" in text
    assert "| A is better | −0.033 | −0.080 [−0.100, −0.060] | −0.010 [−0.100, +0.060] | partly |" in text
    assert "| B is better | −0.027 | – | – | not run |" in text
    assert "{doc}`Figure 7 </notebooks/figure_07>` was not run here: `hista-repro run figure-07`." in text


def test_the_status_has_a_row_for_every_artifact(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    lines = status_table(shown_runs(checkout)).splitlines()
    assert len(lines) == 2 + len(ARTIFACTS)
    rows = dict(zip(ARTIFACTS, lines[2:], strict=True))
    assert rows["table-04"].startswith("| {doc}`Table 4 </notebooks/table_04>` | up to date | cpu | tiny | 21 November 2026 |")
    assert "| not run |" in rows["figure-07"]


def test_staging_again_leaves_nothing_of_before(checkout, record_run, source):
    stage(checkout, source, shown_runs(checkout))
    record_run("figure-07", "runs/cpu", "cpu")
    stage(checkout, source, shown_runs(checkout))
    assert not (source / "notebooks" / "figure_07.md").exists()
    assert (source / "notebooks" / "figure_07.ipynb").exists()
