"""The findings chapter: sentences are where the verdicts put them, and what moves is logged."""

import json
from dataclasses import replace

import nbformat
import pytest
from book_prose import PROJECT

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book import recording
from hista_repro.book.conclusions import (
    Conclusion,
    Move,
    Standing,
    conclusions_text,
    evidence_table,
    log_moves,
    log_table,
    moves,
    read_conclusions,
    read_log,
    standings,
)
from hista_repro.book.runs import ShownRun, shown_runs
from hista_repro.errors import Refused
from hista_repro.files import read_json, write_json

SENTENCE = Conclusion("Hista errs less.", "hidden_states", "table-04", ["A is better"], estimators=["hista", "loo-mean"])


def run_with(*words, claim="A is better"):
    found = [{"claim": claim, "setting": f"model {k}", "paper": "", "ours": f"+{k}", "word": word} for k, word in enumerate(words)]
    return {"table-04": ShownRun(ARTIFACTS["table-04"], PROJECT, {"profile": "cpu"}, [], {"verdict": {"findings": found}})}


CONCLUSIONS = read_conclusions(PROJECT)
RECORDED = [(each, path) for each in CONCLUSIONS for path in (PROJECT / "results").glob(f"*/results/{each.page}.json")]


@pytest.mark.parametrize("conclusion", CONCLUSIONS, ids=lambda conclusion: conclusion.sentence)
def test_every_claim_is_one_that_the_page_makes(conclusion):
    notebook = nbformat.read(PROJECT / "notebooks" / ARTIFACTS[conclusion.page].notebook, as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    verdict = next(text for output in outputs if (text := output.get("data", {}).get("text/plain", "")).startswith("Verdict:"))
    for claim in conclusion.claims:
        assert f"\n- {claim} (" in verdict


JUDGED_BY = {
    "mean absolute error": ("table-01", "table-04", "table-10", "table-11", "table-13", "audit-leakage"),
    "corrected squared error": ("extra-neighbours", "extra-same-text", "extra-conditions", "extra-search", "extra-prediction"),
}


@pytest.mark.parametrize(("error", "page"), [(error, page) for error, pages in JUDGED_BY.items() for page in pages])
def test_sentences_about_errors_say_which(error, page):
    other = ("collapses", "further apart", "fewer rollouts", *(name for name in JUDGED_BY if name != error))
    sentences = [
        each.sentence for each in CONCLUSIONS if each.page == page and not any(name in claim for claim in each.claims for name in other)
    ]
    assert sentences
    assert [sentence for sentence in sentences if error not in sentence] == []


@pytest.mark.parametrize(("conclusion", "path"), RECORDED, ids=lambda part: getattr(part, "sentence", ""))
def test_every_claim_is_one_of_the_recorded_runs(conclusion, path):
    made = {finding["claim"] for finding in read_json(path)["verdict"]["findings"]}
    assert made.issuperset(conclusion.claims) or made.intersection(conclusion.opposite)


def findings(**words):
    """One run, with a finding for each (claim, setting) -> word; names are `claim_setting`."""
    found = [
        {"claim": c, "setting": s, "paper": "", "ours": "", "word": w} for (c, _, s), w in ((k.partition("_"), w) for k, w in words.items())
    ]
    return {"table-04": ShownRun(ARTIFACTS["table-04"], PROJECT, {"profile": "cpu"}, [], {"verdict": {"findings": found}})}


@pytest.mark.parametrize(
    ("words", "standing"),
    [
        (["agrees", "agrees"], Standing.HOLDS),
        (["agrees", "not run", "not comparable"], Standing.HOLDS),
        (["agrees", "undecided"], Standing.PARTLY),
        (["agrees", "undecided", "disagrees"], Standing.DEPENDS),
        (["disagrees", "disagrees"], Standing.FAILS),
        (["disagrees", "undecided"], Standing.FAILS_PARTLY),
        (["undecided", "not run"], Standing.OPEN),
        (["not run"], Standing.NOT_RUN),
        (["not comparable"], Standing.NOT_RUN),
        ([], Standing.NOT_RUN),
    ],
)
def test_a_sentence_stands_where_the_verdicts_put_it(words, standing):
    assert SENTENCE.standing(run_with(*words)) is standing
    assert SENTENCE.standing(run_with(*words, claim="another")) is Standing.NOT_RUN
    assert SENTENCE.standing({"table-04": None}) is Standing.NOT_RUN


def test_a_measurement_agrees_if_it_agrees_with_every_claim():
    both = replace(SENTENCE, claims=["a", "b"])
    assert both.standing(findings(a_x="agrees", b_x="agrees")) is Standing.HOLDS
    assert both.standing(findings(a_x="agrees", b_x="undecided")) is Standing.OPEN
    assert both.standing(findings(a_x="agrees", b_x="disagrees")) is Standing.FAILS
    assert both.standing(findings(a_x="agrees", b_x="agrees", a_y="disagrees", b_y="agrees")) is Standing.DEPENDS
    assert both.standing(findings(a_x="agrees", b_x="not run")) is Standing.NOT_RUN
    assert both.standing(findings(a_x="agrees", b_x="agrees", a_y="agrees")) is Standing.HOLDS
    assert both.standing(findings(a_x="agrees", b_x="agrees", a_y="undecided")) is Standing.PARTLY
    assert both.standing(findings(a_x="agrees", b_x="agrees", a_y="disagrees")) is Standing.DEPENDS


def test_the_opposite_of_a_claim_counts_the_other_way():
    sentence = replace(SENTENCE, claims=["a"], opposite=["b"])
    assert sentence.standing(findings(b_x="disagrees")) is Standing.HOLDS
    assert sentence.standing(findings(a_x="agrees", b_y="agrees")) is Standing.DEPENDS
    assert sentence.standing(findings(a_x="agrees", b_y="undecided")) is Standing.PARTLY


def test_standings_are_counted_by_question():
    other = replace(SENTENCE, sentence="Another.", question="training", claims=["c"])
    runs = findings(a_x="agrees", b_x="undecided")
    sentences = [replace(SENTENCE, claims=["b"]), replace(SENTENCE, claims=["a"]), replace(SENTENCE, claims=["a"]), other]
    found = standings(sentences, runs)
    assert found == {"hidden_states": [(Standing.HOLDS, 2), (Standing.OPEN, 1)], "training": [(Standing.NOT_RUN, 1)]}


def test_every_question_of_the_book_has_sentences_and_every_sentence_a_question():
    named = {conclusion.question for conclusion in CONCLUSIONS}
    questions, methods = ({path.stem for path in (PROJECT / "book" / folder).glob("*.md")} for folder in ("questions", "methods"))
    assert questions <= named <= questions | methods


def test_the_chapter_says_what_was_compared_and_what_came_of_it():
    text = conclusions_text(
        [SENTENCE, replace(SENTENCE, sentence="Another.", page="figure-07")], run_with("agrees", "undecided", "not run")
    )
    held, _, other = text.partition("## What was not run")
    assert held.startswith("## What holds where it is decided\n")
    assert "- **Hista errs less.** `hista` (own-return), `loo-mean` (siblings). {doc}`Table 4 </notebooks/table_04>`.\n" in held
    assert "  - *A is better:*\n    - model 0: +0, agrees.\n    - model 1: +1, undecided.\n" in held and "model 2" not in held
    assert "  ```{dropdown} agrees (1), undecided (1)\n" in held
    assert "**Another.**" in other and "## What holds\n" not in text


def test_the_fold_counts_what_is_said_of_the_sentence_and_shows_what_is_said_of_the_claim():
    sentence = replace(SENTENCE, claims=["B is better"], opposite=["A is better"])
    text = conclusions_text([sentence], run_with("disagrees", "disagrees", "undecided"))
    assert "{dropdown} agrees (2), undecided (1)\n" in text and "  - *A is better:*\n    - model 0: +0, disagrees.\n" in text


def test_a_single_measurement_is_not_folded():
    text = conclusions_text([SENTENCE], run_with("agrees", "not run"))
    assert "  - *A is better:*\n    - model 0: +0, agrees." in text and "dropdown" not in text


def test_the_evidence_has_a_row_for_each_page(checkout, record_run):
    record_run("table-04", "runs/cpu", "cpu")
    head, _, *rows = evidence_table([SENTENCE, SENTENCE, replace(SENTENCE, page="figure-07")], shown_runs(checkout)).splitlines()
    assert head == "| Page | Run | What was measured | Command |"
    assert len(rows) == 2
    assert "| cpu, 21 November 2026 | tiny: 54 states | `hista-repro run table-04 --profile cpu` |" in rows[0]
    assert "| not run |  | `hista-repro run figure-07` |" in rows[1]


def test_what_moves_is_told_from_the_log():
    held, failed = run_with("agrees"), run_with("disagrees")
    first = moves([SENTENCE], held, [], "2026-03-07")
    assert first == [Move("2026-03-07", "Hista errs less.", "", "What holds", "table-04, cpu")]
    assert moves([SENTENCE], held, first, "") == moves([SENTENCE], {}, first, "") == moves([SENTENCE], run_with("not run"), first, "") == []
    (second,) = moves([SENTENCE], failed, first, "2026-03-08")
    assert (second.before, second.after) == ("What holds", "What does not hold")
    assert moves([SENTENCE], held, [*first, second], "")[0].before == "What does not hold"


def test_the_log_shows_what_changed_and_the_latest_first(tmp_path):
    (tmp_path / "results").mkdir()
    log_moves(tmp_path, [Move("2026-03-06", "S.", "", "What holds", "table-04, cpu")])
    assert log_table(read_log(tmp_path)) == "No conclusion has changed since it was first measured.\n"
    for day in ("2026-03-07", "2026-03-08"):
        log_moves(tmp_path, [Move(day, "S.", "What holds", "What is undecided", "table-04, cpu")])
    assert [line[2:12] for line in log_table(read_log(tmp_path)).splitlines()[2:]] == ["2026-03-08", "2026-03-07"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"page": "tabel-04"}, "unknown page 'tabel-04'; did you mean 'table-04'"),
        ({"claims": []}, "rests on no claim"),
        ({"claims": ["c", "d"], "opposite": ["e"]}, "which of them has the opposite cannot be said"),
        ({"estimators": ["histo"]}, "histo"),
        ({"note": ""}, "a conclusion has no setting 'note'"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path, change, message):
    entry = {"sentence": "S.", "question": "training", "page": "table-04", "claims": ["c"], **change}
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


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_recording_keeps_the_run_and_logs_what_it_moves(checkout, made):
    made("agrees")
    assert [move.before for move in recording.record_run("cpu", checkout)] == [""]
    assert recording.record_run("cpu", checkout) == []
    made("disagrees", finished="2026-11-21T09:05:13+00:00")
    (move,) = recording.record_run("cpu", checkout)
    assert (move.before, move.after) == (Standing.HOLDS, Standing.FAILS)
    assert [move.sentence for move in read_log(checkout)] == ["Hista errs less."] * 2
    recorded = checkout / "results" / "cpu"
    assert files_below(recorded) == {"notebooks/table_04.ipynb", "results/table-04.json", "status/table-04.json", "log.jsonl"}
    assert (recorded / "log.jsonl").read_text() == '{"word": "agrees"}\n{"word": "disagrees"}\n'
    assert files_below(checkout / "figures" / "cpu") == {"table-04.svg", "table-04.pdf"}
    assert "What does not hold" in log_table(read_log(checkout))


def test_an_earlier_run_does_not_take_the_place_of_a_later_one(checkout, made):
    made("agrees")
    recording.record_run("cpu", checkout)
    made("disagrees", finished="2026-11-20T09:05:12+00:00")
    assert recording.record_run("cpu", checkout) == []
    assert read_json(checkout / "results" / "cpu" / "results" / "table-04.json")["verdict"]["findings"][0]["word"] == "agrees"


def test_figures_that_a_run_no_longer_makes_go(checkout, made):
    recording_of = made("agrees")
    recording.record_run("cpu", checkout)
    made("agrees", finished="2026-11-21T09:05:13+00:00")
    (recording_of / "figures" / "table-04.pdf").unlink()
    recording.record_run("cpu", checkout)
    assert files_below(checkout / "figures" / "cpu") == {"table-04.svg"}


def test_a_recording_that_was_stopped_goes_on(checkout, made, monkeypatch):
    (made("agrees") / "log.jsonl").unlink()

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recording, "_join_logs", stop)
        with pytest.raises(KeyboardInterrupt):
            recording.record_run("cpu", checkout)
    assert [move.after for move in recording.record_run("cpu", checkout)] == [Standing.HOLDS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dirty": True}, "table-04 was run from sources that no commit holds"),
        ({"commit": None}, "table-04 was run from sources that no commit holds"),
        ({"overrides": {"model": "mine"}, "key": {}}, "nothing is done in"),
    ],
)
def test_what_cannot_be_made_again_is_not_recorded(checkout, made, changes, message):
    with pytest.raises(Refused, match="nothing is done in"):
        recording.record_run("cpu", checkout)
    made("agrees", **changes)
    with pytest.raises(Refused, match=message):
        recording.record_run("cpu", checkout)
    assert not (checkout / "results").exists()
