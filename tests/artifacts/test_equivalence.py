import pytest

from hista_repro.artifacts.equivalence import judge_zero
from hista_repro.artifacts.verdicts import Interval, Word


@pytest.mark.parametrize(
    ("interval", "word"),
    [
        (Interval(0.0, -0.05, 0.05), Word.AGREES),
        (Interval(0.05, 0.01, 0.09), Word.AGREES),
        (Interval(0.0, -0.05, 0.2), Word.UNDECIDED),
        (Interval(0.0, -0.3, 0.3), Word.UNDECIDED),
        (Interval(0.2, 0.11, 0.3), Word.DISAGREES),
        (Interval(-0.2, -0.3, -0.11), Word.DISAGREES),
    ],
)
def test_no_difference_is_shown_up_to_a_margin(interval, word):
    assert judge_zero(interval, 0.1) is word


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="margin must be positive, not 0"):
        judge_zero(Interval(0.0, 0.0, 0.0), 0)
