import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.artifacts.verdicts import Finding, Interval, Verdict, Word, combine, differences_of_setting, judge_direction, number_text

numbers = st.floats(-1, 1, allow_nan=False)


@pytest.mark.parametrize(
    ("paper", "low", "high", "word"),
    [
        (-0.033, -0.12, -0.05, Word.AGREES),
        (-0.033, 0.01, 0.05, Word.DISAGREES),
        (-0.033, -0.05, 0.01, Word.UNDECIDED),
        (-0.033, -0.05, 0.0, Word.UNDECIDED),
        (0.031, 0.01, 0.05, Word.AGREES),
        (0.031, -0.05, -0.01, Word.DISAGREES),
    ],
)
def test_direction_is_judged_by_the_interval(paper, low, high, word):
    assert judge_direction(paper, Interval((low + high) / 2, low, high)) is word


@given(paper=numbers.filter(bool), ends=st.tuples(numbers, numbers).map(sorted))
def test_mirroring_paper_and_measurement_keeps_the_word(paper, ends):
    low, high = ends
    mirrored = judge_direction(-paper, Interval(0.0, -high, -low))
    assert judge_direction(paper, Interval(0.0, low, high)) is mirrored


@pytest.mark.parametrize(
    ("value", "rule", "text"),
    [
        (-0.1316, {}, "−0.132"),
        (0.131, {"signed": True}, "+0.131"),
        (-0.0004, {}, "0.000"),
        (-0.004, {"digits": 2, "signed": True}, "−0.00"),
    ],
)
def test_numbers_have_a_true_minus_sign_and_zero_only_where_signs_matter(value, rule, text):
    assert number_text(value, **rule) == text


def test_no_difference_in_the_paper_has_no_direction():
    with pytest.raises(ValueError, match="paper: a difference of 0"):
        judge_direction(0.0, Interval(0.1, 0.0, 0.2))


def test_an_interval_must_be_in_order():
    with pytest.raises(ValueError, match=r"low and high: 0\.2 is not below 0\.1"):
        Interval(0.15, 0.2, 0.1)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ([], Word.NOT_RUN),
        ([Word.NOT_RUN], Word.NOT_RUN),
        ([Word.NOT_RUN, Word.NOT_COMPARABLE], Word.NOT_COMPARABLE),
        ([Word.AGREES, Word.AGREES, Word.NOT_RUN], Word.AGREES),
        ([Word.UNDECIDED, Word.UNDECIDED], Word.UNDECIDED),
        ([Word.DISAGREES, Word.UNDECIDED], Word.DISAGREES),
        ([Word.AGREES, Word.UNDECIDED], Word.PARTLY),
        ([Word.AGREES, Word.DISAGREES], Word.PARTLY),
        ([Word.PARTLY, Word.DISAGREES], Word.PARTLY),
    ],
)
def test_several_words_make_one(words, word):
    assert combine(words) is word


@given(st.lists(st.sampled_from(list(Word)), max_size=6))
def test_agreement_is_never_claimed_where_a_finding_speaks_against_it(words):
    if combine(words) is Word.AGREES:
        assert Word.AGREES in words
        assert not {Word.DISAGREES, Word.UNDECIDED, Word.PARTLY} & set(words)


def test_only_differing_conditions_become_sentences():
    paper = [{"Model": "Qwen", "Rollouts per problem": "40", "Continuations per state": "20"}]
    ours = [
        {"Model": "tiny", "Rollouts per problem": "40", "Continuations per state": "100"},
        {"Model": "smollm2-135m", "Rollouts per problem": "40", "Continuations per state": "20"},
    ]
    assert differences_of_setting(paper, ours) == (
        "Model: Qwen in the paper, tiny and smollm2-135m here.",
        "Continuations per state: 20 in the paper, 100 and 20 here.",
    )
    assert differences_of_setting(paper, paper) == ()


def test_the_box_shows_every_finding_and_escapes_text():
    finding = Finding("Hista < GRPO", "tiny", "-0.033", "-0.083 [-0.100, -0.070]", Word.AGREES)
    verdict = Verdict((finding,), size="475 states", differences=("Model: A in the paper, <B> here.",))
    html = verdict._repr_html_()
    assert "Hista &lt; GRPO" in html and "&lt;B&gt;" in html
    assert "-0.083 [-0.100, -0.070]" in html
    assert html.count("agrees</span>") == 2
    assert repr(verdict) == "Verdict: agrees\n- Hista < GRPO (tiny): -0.033, here -0.083 [-0.100, -0.070]: agrees"
    assert verdict.to_dict()["word"] == "agrees"
    assert verdict.to_dict()["findings"] == (
        {"claim": "Hista < GRPO", "setting": "tiny", "paper": "-0.033", "ours": finding.ours, "word": "agrees"},
    )


def test_intervals_are_written_with_three_decimals():
    assert Interval(0.1321, 0.12, 0.145).text() == "0.132 [0.120, 0.145]"
    assert Interval(-0.0832, -0.1, 0.07).text(signed=True) == "−0.083 [−0.100, +0.070]"
    assert Interval(-0.00042, -0.0006, -0.00031).text(signed=True) == "−0.0004 [−0.0006, −0.0003]"
    assert Interval(0.01, 0.00001, 0.02).text() == "0.01000 [0.00001, 0.02000]"
    assert Interval(0.0, 0.0, 0.0).text() == "0.000 [0.000, 0.000]" and Interval(1, 1e-9, 2).text() == "1.000000 [0.000000, 2.000000]"
