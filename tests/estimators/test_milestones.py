from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hista_repro.estimators.milestones import LONGEST, milestones, prefix_milestones

HALF = Fraction(1, 2)
NUMBER_TEXT = st.lists(st.sampled_from([*"0015.,/-−={} x\n", "{,}", "\\frac", "\\dfrac{", "}{"]), max_size=24).map("".join)


def values(text):
    return [milestone.value for milestone in milestones(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no numbers at all", []),
        ("7 and 07 and 007", [7, 7, 7]),
        ("3.14, then 12.", [Fraction(314, 100), 12]),
        ("0.50 is .5 is 1/2", [HALF, HALF, HALF]),
        (r"\frac{1}{2} \dfrac{1}{2} \tfrac{1}{2} \frac12", [HALF] * 4),
        (r"\frac{-3}{4}, -\frac{3}{4}", [Fraction(-3, 4)] * 2),
        (r"\frac{x}{2} and \frac{1.5}{2}", [2, Fraction(3, 2), 2]),
        (r"\frac{1}{0} and \frac001 and 5/0 and 5/00", [1, 0, 1, 5, 0, 5, 0]),
        ("8/2=4", [4, 4]),
        ("1/2.5 and 1.5/3", [1, Fraction(5, 2), Fraction(3, 2), 3]),
        ("12/25/2024", [Fraction(12, 25), 2024]),
        ("1,000 and 1{,}000 and 1,234,567.5", [1000, 1000, Fraction(12345675, 10)]),
        ("1,00 1,0000 1234,567 0,123", [1, 0, 1, 0, 1234, 567, 0, 123]),
        ("(1,2,3)", [1, 2, 3]),
        ("1,000/4", [250]),
        ("version 3.4.5 of x1.5", [Fraction(34, 10), 5, Fraction(15, 10)]),
        ("costs $.75, 50% off", [Fraction(3, 4), 50]),
        ("2^10 H2O", [2, 10, 2]),
    ],
)
def test_numbers_are_found_and_read_by_value(text, expected):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2-9=-7;-7-3=-10", [2, 9, -7, -7, 3, -10]),
        ("-5 at the start", [-5]),
        ("5 -3, 5 - 3, 5 - -3", [5, 3, 5, 3, 5, -3]),
        ("(-1, -2) [-3] {-4} x: -5", [-1, -2, -3, -4, -5]),
        ("2*-3 2/-3 2 < -3 2^-3", [2, -3, 2, -3, 2, -3, 2, -3]),
        ("$-3$ and x-3 and x=\n-3", [-3, 3, -3]),
        ("=−3 but 2−3", [-3, 2, 3]),
        ("- 5 is a list item, 10-20 a range, 2024-01-05 a day", [5, 10, 20, 2024, 1, 5]),
        ("= -1/2 = -.5 = -1,000", [-HALF, -HALF, -1000]),
    ],
)
def test_a_minus_sign_counts_only_where_it_cannot_be_a_subtraction(text, expected):
    assert values(text) == expected


def test_a_number_spans_its_sign_but_no_subtraction():
    assert [milestone[:2] for milestone in milestones("2-9=-7")] == [(0, 1), (2, 3), (4, 6)]


@pytest.mark.parametrize("sign", ["", "-"])
def test_endless_digits_are_compared_as_written(sign):
    digits = sign + "1" * 20_000
    assert values(f"x={digits} y={digits}0") == [digits, digits + "0"]
    assert values("1" * LONGEST) == [int("1" * LONGEST)]


@given(NUMBER_TEXT)
@example("1,0005 and 1/2.5 and 3/4/5.5")
@example(r"=-\frac{1}{2}5 1,234,5678")
@example("1/1,000.5")
def test_prefixes_read_in_one_pass_equal_prefixes_read_one_by_one(text):
    cuts = range(len(text) + 1)
    whole = milestones(text)
    for cut, (settled, further) in zip(cuts, prefix_milestones(text, whole, cuts), strict=True):
        assert [*whole[:settled], *further] == milestones(text[:cut])


@given(NUMBER_TEXT)
def test_every_digit_belongs_to_exactly_one_number(text):
    found = milestones(text)
    assert all(before.end <= after.start for before, after in pairwise(found))
    covered = {at for number in found for at in range(number.start, number.end)}
    assert {at for at, character in enumerate(text) if character in "0123456789"} <= covered
