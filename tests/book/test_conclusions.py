"""The findings chapter: sentences are where the verdicts put them, and what moves is logged."""

import json
from dataclasses import replace

import nbformat
import pytest
from book_prose import PROJECT

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book import recording
from hista_repro.book.conclusions import (
    LOG,
    Conclusion,
    Move,
    Standing,
    conclusions_text,
    evidence_table,
    log_moves,
    log_table,
    moves,
    read_conclusions,
)
from hista_repro.book.runs import ShownRun, shown_runs
from hista_repro.errors import Refused
from hista_repro.files import read_json, write_json

SENTENCE = Conclusion("Hista errs less.", "table-04", ["A is better"], ["hista", "loo-mean"])


def run_with(*words, claim="A is better"):
    found = [{"claim": claim, "setting": f"model {k}", "paper": "", "ours": f"+{k}", "word": word} for k, word in enumerate(words)]
    return {"table-04": ShownRun(ARTIFACTS["table-04"], PROJECT, {"profile": "cpu"}, [], {"verdict": {"findings": found}})}


@pytest.mark.parametrize("conclusion", read_conclusions(PROJECT), ids=lambda conclusion: conclusion.sentence)
def test_every_claim_is_one_that_the_page_makes(conclusion):
    notebook = nbformat.read(PROJECT / "notebooks" / ARTIFACTS[conclusion.page].notebook, as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    verdict = next(text for output in outputs if (text := output.get("data", {}).get("text/plain", "")).startswith("Verdict:"))
    for claim in conclusion.claims:
        assert f"\n- {claim} (" in verdict


@pytest.mark.parametrize(
    ("words", "standing"),
    [
        (["agrees", "agrees"], Standing.HOLDS),
        (["agrees", "not run", "not comparable"], Standing.HOLDS),
        (["agrees", "undecided"], Standing.PARTLY),
        (["agrees", "undecided", "disagrees"], Standing.DEPENDS),
        (["disagrees", "undecided"], Standing.FAILS),
        (["undecided", "not run"], Standing.OPEN),
        (["not run"], Standing.NOT_RUN),
        ([], Standing.NOT_RUN),
    ],
)
def test_a_sentence_stands_where_the_verdicts_put_it(words, standing):
    assert SENTENCE.standing(run_with(*words)) is standing
    assert SENTENCE.standing(run_with(*words, claim="another")) is Standing.NOT_RUN
    assert SENTENCE.standing({"table-04": None}) is Standing.NOT_RUN


def test_the_chapter_says_what_was_compared_and_what_came_of_it():
    text = conclusions_text(
        [SENTENCE, replace(SENTENCE, sentence="Another.", page="figure-07")], run_with("agrees", "undecided", "not run")
    )
    held, _, other = text.partition("## What was not run")
    assert held.startswith("## What holds where it is decided\n")
    assert "- **Hista errs less.** `hista` (own-return), `loo-mean` (siblings). {doc}`Table 4 </notebooks/table_04>`.\n" in held
    assert "  - model 0: +0, agrees.\n  - model 1: +1, undecided.\n" in held and "model 2" not in held
    assert "**Another.**" in other and "## What holds\n" not in text


def test_several_claims_of_a_sentence_are_told_apart():
    both = replace(SENTENCE, claims=["A is better", "B is better"])
    assert "  - A is better; model 0: +0, agrees." in conclusions_text([both], run_with("agrees"))


def test_the_evidence_has_a_row_for_each_page(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    head, _, *rows = evidence_table([SENTENCE, SENTENCE, replace(SENTENCE, page="figure-07")], shown_runs(checkout)).splitlines()
    assert head == "| Page | Run | What was measured | Command |"
    assert len(rows) == 2
    assert "| cpu, 21 November 2026 | tiny: 54 states | `hista-repro run table-04 --profile cpu` |" in rows[0]
    assert "| not run |  | `hista-repro run figure-07` |" in rows[1]


def test_only_what_was_measured_before_can_move():
    held, failed = run_with("agrees"), run_with("disagrees")
    (move,) = moves([SENTENCE], held, failed, "2026-03-07")
    assert move == Move("2026-03-07", "Hista errs less.", "What holds", "What does not hold", "table-04, cpu")
    assert moves([SENTENCE], held, held, "") == moves([SENTENCE], {}, held, "") == moves([SENTENCE], held, {}, "") == []


def test_the_log_shows_the_latest_first(tmp_path):
    assert log_table(tmp_path) == "No conclusion has changed since it was first measured.\n"
    (tmp_path / "results").mkdir()
    for day in ("2026-03-07", "2026-03-08"):
        log_moves(tmp_path, [Move(day, "S.", "What holds", "What is undecided", "table-04, cpu")])
    assert [line[2:12] for line in log_table(tmp_path).splitlines()[2:]] == ["2026-03-08", "2026-03-07"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"page": "tabel-04"}, "unknown page 'tabel-04'; did you mean 'table-04'"),
        ({"claims": []}, "rests on no claim"),
        ({"estimators": ["histo"]}, "histo"),
        ({"note": ""}, "a conclusion has no setting 'note'"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path, change, message):
    entry = {"sentence": "S.", "page": "table-04", "claims": ["c"], **change}
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "conclusions.yaml").write_text(json.dumps([entry]))
    with pytest.raises((Refused, ValueError), match=message):
        read_conclusions(tmp_path)


@pytest.fixture
def made(checkout, record_run, monkeypatch):
    """(word of the first claim) -> a finished run of Table 4 in `runs/cpu`, with figures; the chapter has one sentence, of that claim."""
    monkeypatch.setattr(recording, "read_conclusions", lambda root: [SENTENCE])

    def make(word, **changes):
        folder = record_run("table-04", "runs/cpu", "cpu", **changes)
        result = read_json(folder / "results" / "table-04.json")
        result["verdict"]["findings"] = [{"claim": "A is better", "setting": "tiny", "paper": "", "ours": "", "word": word}]
        write_json(folder / "results" / "table-04.json", result)
        (folder / "log.jsonl").write_text(f'{{"word": "{word}"}}\n')
        (folder / "figures").mkdir(exist_ok=True)
        for ending in ("svg", "pdf", "png"):
            (folder / "figures" / f"table-04.{ending}").write_text(ending)
        return folder

    return make


def test_recording_keeps_the_run_and_logs_what_it_moves(checkout, made):
    made("agrees")
    assert recording.record_run("cpu", checkout) == []
    made("disagrees")
    (move,) = recording.record_run("cpu", checkout)
    assert (move.before, move.after) == (Standing.HOLDS, Standing.FAILS)
    assert json.loads((checkout / LOG).read_text())["sentence"] == "Hista errs less."
    recorded = checkout / "results" / "cpu"
    assert {path.name for path in recorded.rglob("*") if path.is_file()} == {"table_04.ipynb", "table-04.json", "log.jsonl"}
    assert (recorded / "log.jsonl").read_text() == '{"word": "agrees"}\n{"word": "disagrees"}\n'
    assert {path.name for path in (checkout / "figures" / "cpu").iterdir()} == {"table-04.svg", "table-04.pdf"}
    assert "What does not hold" in log_table(checkout)


def test_what_cannot_be_made_again_is_not_recorded(checkout, made):
    with pytest.raises(Refused, match="nothing is done in"):
        recording.record_run("cpu", checkout)
    made("agrees", dirty=True)
    with pytest.raises(Refused, match="table-04 was run from sources that no commit holds"):
        recording.record_run("cpu", checkout)
    assert not (checkout / "results").exists()
