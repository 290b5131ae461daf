import pandas as pd
import pytest

from hista_repro.artifacts.graders import compare_graders, judge_graders, paired_gain, readable_disputes, readable_groups
from hista_repro.artifacts.graders_figure import plot_graders
from hista_repro.artifacts.verdicts import Word


@pytest.fixture(scope="module")
def rows():
    return compare_graders(every=40)


def test_cases_are_graded_by_both(rows):
    assert set(rows["group"]) == {"finding the answer", "letters", "quantities", "expressions", "words and formulas", "programs"}
    assert rows["ours"].all()
    assert 0 < rows["independent"].dropna().mean() < 1, "the independent grader follows other rules"
    assert rows.loc[rows["group"] == "words and formulas", "independent"].isna().any()


def test_the_table_counts_what_it_shows(rows):
    table = readable_groups(rows).frame
    assert table["cases"].iloc[-1] == table["cases"].iloc[:-1].sum() == len(rows)
    assert set(readable_disputes(rows).frame["meant"]) <= {"right", "not"}


def test_each_grader_has_a_dot_where_it_can_judge(rows):
    (axis,) = plot_graders(rows).axes
    dots = [line for line in axis.lines if line.get_marker() in ("o", "s")]
    judged = [(group, column) for group in set(rows["group"]) for column in ("ours", "independent")]
    assert len(dots) == sum(rows.loc[rows["group"] == group, column].notna().any() for group, column in judged)
    assert [label.get_text() for label in axis.get_yticklabels()] == list(dict.fromkeys(rows["group"]))


def made(ours, independent):
    return pd.DataFrame({"kind": "k", "ours": ours, "independent": independent})


def test_few_cases_decide_nothing_and_many_do():
    few, many = (judge_graders(made([True] * count, [True, False] * (count // 2)))[0].word for count in (40, 1000))
    assert (few, many) == (Word.UNDECIDED, Word.AGREES)
    assert judge_graders(made([True] * 900 + [False] * 100, [True] * 1000))[0].word is Word.DISAGREES


def test_the_gain_is_paired():
    gain = paired_gain(made([True, True, True, False] * 25, [True, False, True, True] * 25))
    assert gain.estimate == 0 and gain.low < 0 < gain.high
    assert judge_graders(made([True] * 100, [True, False] * 50))[1].word is Word.AGREES
