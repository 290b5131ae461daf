import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.yaml12 import load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("010", 10),
        ("-7", -7),
        ("true", True),
        ("null", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("nan", "nan"),
        ('"1e-5"', "1e-5"),
        ('[1e-5, {"a": [null, true]}]', [1e-5, {"a": [None, True]}]),
    ],
)
def test_scalars_follow_the_core_schema(text, value):
    loaded = load_yaml(text)
    assert loaded == value and type(loaded) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_read_back(number):
    loaded = load_yaml(repr(number))
    assert type(loaded) is float and loaded == number and math.copysign(1, loaded) == math.copysign(1, number)


def test_anchors_and_merge_keys():
    document = load_yaml("builds: {small: &small {n: 1, model: tiny}}\nuse: [*small, {<<: *small, n: 2}]")
    assert document["use"] == [{"n": 1, "model": "tiny"}, {"n": 2, "model": "tiny"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "'a' is given twice in line 3"),
        ("a: [1", "line 1"),
        ("a: 1e999", "1e999 is not a finite number"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        load_yaml(text)
