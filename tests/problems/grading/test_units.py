from fractions import Fraction

import pytest

from hista_repro.problems.grading.units import factor_between, unit_of

SAME = [
    ("km", "kilometers", 1),
    ("km", "m", 1000),
    ("m", "km", Fraction(1, 1000)),
    ("hours", "minutes", 60),
    ("miles per hour", "mph", 1),
    ("km/h", "m/s", Fraction(5, 18)),
    (r"m/s^2", "meters per second squared", 1),
    ("square feet", "ft^2", 1),
    ("sq. cm", "cm²", 1),
    ("cubic centimeters", "mL", 1),
    (r"\frac{m}{s}", "m s^{-1}", 1),
    ("kilowatt-hours", "kWh", 1),
    ("dollars", "cents", 100),
    ("N m", "J", 1),
]
DIFFERENT = [
    ("km", "hours"),
    ("cm^2", "cm^3"),
    ("dollars", "euros"),
    ("kg", "N"),
    (r"^\circ C", r"^\circ F"),
    (r"^\circ C", "K"),
    ("degC", "degF"),
]


@pytest.mark.parametrize(("one", "other", "factor"), SAME)
def test_units_that_convert(one, other, factor):
    assert factor_between(unit_of(one), unit_of(other)) == factor
    assert factor_between(unit_of(other), unit_of(one)) == 1 / Fraction(factor)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_units_that_measure_different_things(one, other):
    assert factor_between(unit_of(one), unit_of(other)) is None


@pytest.mark.parametrize("words", ["apples", "units", "cats", "square units", "students", "x", "right triangles", "p.m.", "", "5"])
def test_words_that_are_no_unit(words):
    assert unit_of(words) is None
