from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.problems.grading.numbers import read_number, same_number

INTEGERS = st.integers(-(10**12), 10**12)


def value(text):
    number, rest = read_number(text)
    assert not rest.strip(), f"{rest!r} is left of {text!r}"
    return number.value


@given(INTEGERS, st.sampled_from([",", "{,}", r"\,", r"\!", r",\!", " ", "\u00a0"]))
def test_separators_of_thousands(number, separator):
    assert value(f"{number:,}".replace(",", separator)) == number


@given(INTEGERS, st.integers(1, 10**6))
def test_fractions(over, under):
    for text in (f"{over}/{under}", rf"\frac{{{over}}}{{{under}}}", rf"\dfrac{{{over}}}{{{under}}}"):
        assert value(text) == Fraction(over, under)


@given(st.integers(0, 10**6), st.integers(0, 99), st.integers(1, 99), st.sampled_from(["", "-"]))
def test_mixed_numbers(whole, over, under, sign):
    mixed = whole + Fraction(over, under)
    for text in (rf"{sign}{whole}\frac{{{over}}}{{{under}}}", f"{sign}{whole} {over}/{under}"):
        assert value(text) == (-mixed if sign else mixed)


@given(st.decimals(-1000, 1000, places=4), st.integers(-40, 40))
def test_powers_of_ten(mantissa, exponent):
    expected = Fraction(mantissa) * Fraction(10) ** exponent
    spellings = (r"\times 10^{%d}", r" \times 10^{%d}", "e%d", "E%d", " x 10^%d", "*10**%d", r"\cdot 10^{%d}", " × 10^(%d)", "*10^%d")
    for spelling in spellings:
        assert value(f"{mantissa}{spelling % exponent}") == expected


@given(st.fractions(), st.fractions())
def test_exact_numbers_are_equal_only_if_they_are_the_same(one, other):
    numbers = [read_number(f"{number.numerator}/{number.denominator}")[0] for number in (one, other)]
    assert same_number(*numbers) is (one == other)


@given(st.fractions(1, 10).filter(lambda number: number.denominator > 1), st.integers(7, 12), st.integers(-300, 0))
def test_a_decimal_of_seven_digits_is_what_it_rounds(number, digits, exponent):
    """Numbers below ten, scaled down: none of them is whole, where a difference of 1e-6 would count."""
    scaled = number * Fraction(10) ** exponent
    exact = read_number(f"{scaled.numerator}/{scaled.denominator}")[0]
    decimal = read_number(f"{float(number):.{digits}f}e{exponent}")[0]
    assert same_number(exact, decimal)
    assert not same_number(exact, read_number(f"{float(number) * 1.00001:.{digits}f}e{exponent}")[0])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2.26e-10", "0.00", False),
        ("0", "0.00", True),
        ("1/3", "0.333333", True),
        ("1/3", "0.33333", False),
        ("1/7", "0.142857", True),
        ("1000000007", "1000000000.0", False),
        ("1000000007", "1000000007.0", True),
        ("1", "0.999999", False),
        ("1", "0.99999999", True),
        ("2", "2.0", True),
        ("7" * 5000, "1e" + "9" * 5000, False),
    ],
)
def test_how_near_is_equal(one, other, same):
    assert same_number(read_number(one)[0], read_number(other)[0]) is same
    assert same_number(read_number(other)[0], read_number(one)[0]) is same


@pytest.mark.parametrize("text", ["x", "", "-", ".", r"\frac{1}{x}", "2^{10}", "abc 5"])
def test_what_does_not_begin_with_a_number(text):
    assert read_number(text) is None


def test_what_follows_a_number_is_left():
    assert read_number("18 dollars") == (read_number("18")[0], " dollars")
    assert read_number(r"5\sqrt{2}")[1] == r"\sqrt{2}"
    assert read_number("twenty-one guns")[0].value == 21
