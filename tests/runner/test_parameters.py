import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from hista_repro.conforming import conform
from hista_repro.errors import Refused, did_you_mean
from hista_repro.runner.parameters import check_values, parse_overrides, read_parameters

CELL = """
# what to measure
model: str = ""
learning_rate: float = 1e-3
limit: int | None = None
verbose: bool = False
builds: list[dict] = [{"model": "tiny", "limit": 24}]
domains: list[str] = []
weights: dict[str, float] = {}
level: Literal["low", "high"] = "low"
seed = 0
anything = None
"""


def declared(cell=CELL):
    return read_parameters(new_notebook(cells=[new_code_cell("1"), new_code_cell(cell, metadata={"tags": ["parameters"]})]), "n.ipynb")


def parse(**overrides):
    return parse_overrides(declared(), overrides, notebook="n.ipynb")


def test_declarations():
    parameters = declared()
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "model": "",
        "learning_rate": 1e-3,
        "limit": None,
        "verbose": False,
        "builds": [{"model": "tiny", "limit": 24}],
        "domains": [],
        "weights": {},
        "level": "low",
        "seed": 0,
        "anything": None,
    }
    assert (parameters["limit"].declared, parameters["seed"].declared) == ("int | None", "int")


def test_a_notebook_without_parameters_has_none():
    assert read_parameters(new_notebook(cells=[new_code_cell("x = 1")]), "n.ipynb") == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "1e-5", 1e-5),
        ("learning_rate", "2", 2.0),
        ("model", "123", "123"),
        ("model", "true", "true"),
        ("model", "a=b", "a=b"),
        ("limit", "40", 40),
        ("limit", "null", None),
        ("verbose", "true", True),
        ("builds", '[{"model": "tiny", "temperature": 1e-1}]', [{"model": "tiny", "temperature": 0.1}]),
        ("domains", "[number, math]", ["number", "math"]),
        ("weights", '{"a": 1}', {"a": 1.0}),
        ("level", "high", "high"),
        ("seed", "7", 7),
        ("anything", "[1, x]", [1, "x"]),
    ],
)
def test_overrides_become_values_of_the_declared_type(name, text, value):
    parsed = parse(**{name: text})[name]
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "declared_type"),
    [
        ("learning_rate", "fast", "float"),
        ("learning_rate", "true", "float"),
        ("learning_rate", ".inf", "float"),
        ("limit", "1e3", r"int \| None"),
        ("seed", "1.0", "int"),
        ("seed", "false", "int"),
        ("verbose", "yes", "bool"),
        ("verbose", "1", "bool"),
        ("builds", '{"model": "tiny"}', r"list\[dict\]"),
        ("builds", "[tiny", r"list\[dict\]"),
        ("domains", "[1]", r"list\[str\]"),
        ("level", "middle", r"Literal\['low', 'high'\]"),
    ],
)
def test_a_wrong_type_is_refused_in_one_sentence(name, text, declared_type):
    with pytest.raises(Refused, match=rf"^n.ipynb: parameter '{name}' must be {declared_type}, not .* \(given by -p\)$") as refusal:
        parse(**{name: text})
    assert repr(text) in str(refusal.value) and "\n" not in str(refusal.value)


def test_an_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(Refused, match=r"^n.ipynb has no parameter 'learning_rat' \(given by -p\); did you mean 'learning_rate'\?$"):
        parse(learning_rat="1e-5")
    with pytest.raises(Refused, match=r"no parameter 'qqq' .* there are model, learning_rate, limit"):
        parse(qqq="1")


def test_profile_values_are_checked_like_overrides():
    values = check_values(declared(), {"learning_rate": 2, "limit": None}, notebook="n.ipynb", source="profile cpu")
    assert values == {"learning_rate": 2.0, "limit": None}
    with pytest.raises(Refused, match=r"^n.ipynb: parameter 'learning_rate' must be float, not '1e-5' \(given by profile cpu\)$"):
        check_values(declared(), {"learning_rate": "1e-5"}, notebook="n.ipynb", source="profile cpu")
    with pytest.raises(Refused, match=r"no parameter 'lr' \(given by profile cpu\)"):
        check_values(declared(), {"lr": 1.0}, notebook="n.ipynb", source="profile cpu")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("n: int = 'x'", "the default of parameter 'n' must be int, as annotated, not 'x'"),
        ("n = len('x')", r"the default of parameter 'n' must be a literal, not \"len\('x'\)\""),
        ("import os", "may only assign literals to names, not 'import os'"),
        ("n: int", "may only assign literals"),
        ("a, b = 1, 2", "may only assign literals"),
        ("n: Tensor = 1", "is annotated 'Tensor'; use str, int"),
        ("n: dict[str] = {}", r"is annotated 'dict\[str\]'"),
        ("n = ", "is not Python: .* in line 1"),
    ],
)
def test_a_parameters_cell_that_cannot_be_checked_is_refused(cell, message):
    with pytest.raises(Refused, match=f"^n.ipynb: .*{message}"):
        declared(cell)


def test_two_parameters_cells_are_refused():
    cells = [new_code_cell("a = 1", metadata={"tags": ["parameters"]}) for _ in range(2)]
    with pytest.raises(Refused, match="only one cell may be tagged"):
        read_parameters(new_notebook(cells=cells), "n.ipynb")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.sampled_from([str, int, float, bool, list, dict, list[int], dict[str, float], int | None, float | str]))
def test_what_conforms_is_of_the_type_and_equal(value, kind):
    try:
        conformed = conform(value, kind)
    except TypeError:
        return
    assert conformed == value
    assert conform(conformed, kind) == conformed
    if isinstance(kind, type) and kind in (str, int, float, bool, list, dict):
        assert type(conformed) is kind


def test_did_you_mean():
    assert did_you_mean("tabel-04", ["table-04", "figure-07"]) == "did you mean 'table-04'?"
    assert did_you_mean("x", ["table-04", "figure-07"]) == "there are table-04, figure-07"
    assert did_you_mean("x", []) == "there are none"
