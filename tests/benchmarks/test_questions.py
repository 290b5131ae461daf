import json

import pytest

from hista_repro.benchmarks import get_benchmark, gold
from hista_repro.benchmarks.questions import load_questions
from hista_repro.errors import Refused
from hista_repro.problems.grading import Outcome

ROW = {"id": "a", "domain": "math", "problem": "1+1?", "answer": "2", "verifier": "math"}
CODE = {"id": "c", "domain": "programming", "problem": "f", "answer": None, "verifier": "code"}
GSM8K, MBPP = get_benchmark("gsm8k"), get_benchmark("mbpp-plus")


@pytest.fixture
def data(tmp_path):
    """(rows of gsm8k, or lines) -> a folder that holds them."""

    def write(rows, stem="gsm8k_test", folder="math"):
        path = tmp_path / "data" / folder / f"{stem}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return tmp_path / "data"

    return write


def test_a_local_file_is_found_by_its_name(data):
    rows = [{**ROW, "id": str(number), "problem": f"{number}+1?", "answer": str(number + 1)} for number in range(5)]
    data(rows, stem="amc23_test")
    questions = load_questions(GSM8K, data(rows))
    assert [question.answer for question in questions] == ["1", "2", "3", "4", "5"]
    assert load_questions(GSM8K, data(rows), limit=2) == questions[:2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({name: ROW[name] for name in ROW if name != "answer"} | {"id": "b"}, "line 3: answer must be a non-empty string"),
        ({name: ROW[name] for name in ROW if name != "verifier"}, "line 3: the field 'verifier' is missing"),
        ({**ROW, "id": "b", "verifier": "exact"}, "line 3: the verifier 'exact' is none of those of gsm8k"),
        ({**ROW, "id": "b", "answer": r"\frac{1}{2"}, "line 3: given as an answer, the gold answer"),
        ({**ROW, "id": "b", "answer": "$$"}, "line 3: given as an answer, the gold answer '$$' is unparsed"),
        ("{", "line 3: not JSON"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(data, row, message):
    folder = data([ROW, "", row])
    with pytest.raises(Refused) as refusal:
        load_questions(GSM8K, folder)
    assert message in str(refusal.value) and "gsm8k_test.jsonl" in str(refusal.value)


def test_a_gold_answer_that_breaks_the_grader_is_refused(data, monkeypatch):
    monkeypatch.setattr(gold, "compare_quantities", lambda zero, answer: Outcome.TIMEOUT if answer == "9" else Outcome.WRONG)
    with pytest.raises(Refused, match="line 2: compared with 0, the gold answer '9' is timeout; correct it"):
        load_questions(GSM8K, data([ROW, {**ROW, "id": "b", "answer": "9"}]))


def test_tests_that_are_not_python_are_refused(data):
    good = {**CODE, "id": "d", "tests": {"kind": "assert", "setup": "", "asserts": ["assert f(1) == 1"]}}
    bad = {**CODE, "tests": {"kind": "assert", "setup": "", "asserts": ["assert f(1) == 1", "assert f(2 =="]}}
    with pytest.raises(Refused, match="line 2: a test is not Python"):
        load_questions(MBPP, data([good, bad], stem="mbpp_plus_test"))


def test_a_bad_row_beyond_the_limit_is_not_asked_and_not_refused(data):
    folder = data([ROW, {**ROW, "id": "b", "answer": "$$"}])
    assert len(load_questions(GSM8K, folder, limit=1)) == 1


def test_a_file_that_is_not_there_or_there_twice(data, tmp_path):
    with pytest.raises(Refused, match="there is no folder"):
        load_questions(GSM8K, tmp_path / "nowhere")
    with pytest.raises(Refused, match=r"there is no mbpp_plus_test.jsonl below .*leave --data out to ask the hub"):
        load_questions(MBPP, data([ROW]))
    with pytest.raises(Refused, match=r"there are 2 files gsm8k_test\.jsonl"):
        load_questions(GSM8K, data([ROW], folder="again"))


def test_limits():
    suite = get_benchmark("tiny-held-out")
    assert len(load_questions(suite, limit=7)) == 7
    assert load_questions(suite, limit=7) == load_questions(suite)[:7]
    with pytest.raises(Refused, match="limit must be at least 1, not 0"):
        load_questions(suite, limit=0)


def test_the_hub_is_asked_for_the_pinned_revision_and_may_have_no_usable_row(monkeypatch):
    asked = []
    row = {"question": "How many?", "answer": "####"}
    monkeypatch.setattr("hista_repro.benchmarks.questions.load_rows", lambda *named: asked.append(named) or [row])
    with pytest.raises(Refused, match="no row of openai/gsm8k makes a problem"):
        load_questions(GSM8K)
    assert asked == [("openai/gsm8k", "main", "test", GSM8K.hub.revision)]
