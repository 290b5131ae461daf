import pytest

from hista_repro.sphinxext.docstrings import escaped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean |f - r| over states", r"mean \|f - r\| over states"),
        ("`a | b` and a * b", r"`a | b` and a \* b"),
        ("rewards_G, `hidden_T_D`", r"rewards\_G, `hidden_T_D`"),
        ("no markup", "no markup"),
    ],
)
def test_only_code_in_backticks_is_markup(text, expected):
    assert escaped(text) == expected
