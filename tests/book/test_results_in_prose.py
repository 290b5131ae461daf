import json
from io import StringIO

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.pages import result_entry
from hista_repro.book.runs import shown_runs
from hista_repro.sphinxext.results import DOCUMENT


@pytest.fixture
def render(checkout, record_run, tmp_path):
    """(a page in MyST) -> (its HTML, the warnings); Table 4 was run, with a `mae` of 0.142, and nothing else."""
    record_run("table-04", "runs/cpu", "cpu")
    source = tmp_path / "source"
    (source / DOCUMENT).parent.mkdir(parents=True)
    (source / "notebooks").mkdir()
    for artifact in ARTIFACTS.values():
        (source / "notebooks" / artifact.notebook).with_suffix(".md").write_text(f"# {artifact.label}\n")
    entries = {name: result_entry(ARTIFACTS[name], run) for name, run in shown_runs(checkout).items()}
    standings = {"training": [("What holds", 2), ("What is undecided", 1), ("What was not run", 1)]}
    (source / DOCUMENT).write_text(json.dumps({"artifacts": entries, "standings": standings}))

    def build(text: str) -> tuple[BeautifulSoup, str]:
        (source / "index.md").write_text(f"# Title\n\n{text}\n\n```{{toctree}}\n:glob:\nnotebooks/*\n```\n")
        warnings = StringIO()
        settings = {"extensions": ["myst_parser", "hista_repro.sphinxext.results"]}
        folders = (str(source), None, str(tmp_path / "out"), str(tmp_path / "doctrees"))
        with patch_docutils(), docutils_namespace():
            Sphinx(*folders, "html", settings, status=None, warning=warnings, freshenv=True).build()
        return BeautifulSoup((tmp_path / "out" / "index.html").read_text(), "html.parser"), warnings.getvalue()

    return build


def test_a_number_says_which_result_it_is(render):
    html, warnings = render("The error is {result}`table-04 at {mae} here`.")
    assert warnings == ""
    (number,) = html.select("span.result")
    assert number.get_text() == "0.142" and number["class"] == ["result", "table-04", "mae"]
    assert "The error is at 0.142 here." in html.get_text()


def test_what_was_not_run_says_so(render):
    html, warnings = render("{result}`figure-07 {far} of all`; {size}`figure-07`.")
    assert warnings == ""
    assert "not run; –." in html.get_text()
    assert not html.select("span.result")


def test_sizes_are_those_of_the_pages_together_and_standings_those_of_a_question(render):
    html, warnings = render("{standings}`training` ({size}`table-04 figure-07`)")
    assert warnings == ""
    assert "holds: 2; undecided: 1; not run: 1 (cpu profile, 21 November 2026)" in html.get_text()


def test_numbers_of_the_paper_name_their_table(render):
    html, warnings = render("{printed}`4; Hista@40; Number` and {printed}`5; DAPO; Average; Qwen2.5-14B`")
    assert warnings == ""
    assert [(tag.get_text(), tag["title"]) for tag in html.select("abbr.printed")] == [
        ("0.142", "the paper, Table 4"),
        ("57.2", "the paper, Table 5"),
    ]


def test_sentences_stand_only_where_their_results_are(render):
    html, warnings = render(
        "```{measured} table-04\nIt fell to {result}`table-04 {mae}`.\n```\n\n```{measured} table-04 figure-07\nBoth fell.\n```"
    )
    assert warnings == ""
    there, missing = html.select("div.measured")
    assert "It fell to 0.142." in there.get_text() and "cpu profile, 21 November 2026" in there.get_text()
    assert there.find("a", href="notebooks/table_04.html")
    assert missing.get_text(" ", strip=True) == "Figure 7 was not run here: hista-repro run figure-07 ."


def test_claims_are_listed_with_what_was_measured(render):
    html, warnings = render("```{findings} table-04 figure-07\n```")
    assert warnings == ""
    assert [cell.get_text() for cell in html.select("tbody tr")[0].find_all("td")] == [
        *("A is better", "−0.033", "−0.080 [−0.100, −0.060]", "−0.010 [−0.100, +0.060]", "partly")
    ]
    assert "Figure 7 was not run here: hista-repro run figure-07." in html.get_text()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{result}`figure-7 {far}`", "unknown artifact 'figure-7'; did you mean 'figure-07'?"),
        ("{result}`table-04 {maes}`", "table-04 shows no 'maes'; did you mean 'mae'?"),
        ("{size}`table-99`", "unknown artifact 'table-99'"),
        ("{standings}`trainign`", "no sentence of the findings chapter is about 'trainign'; did you mean 'training'"),
        ("{printed}`4; Hista@4; Number`", "Table 4 has no 'Hista@4'"),
        ("{printed}`17; x; y`", "the paper has no numbers in a Table 17"),
        ("```{findings} tables\n```", "unknown artifact 'tables'"),
    ],
)
def test_what_does_not_exist_is_a_warning_with_its_place(render, text, warning):
    _, warnings = render(text)
    assert warning in warnings and "index.md:3" in warnings
