"""Configurations made of settings: what is taken over, what is widened, and what is refused."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from hista_repro.conforming import configured
from hista_repro.errors import Refused


@dataclass(frozen=True)
class Bench:
    material: str
    legs: int = 4
    length: float | None = None
    carvings: list[str] = field(default_factory=list)
    further: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.legs < 2:
            raise Refused(f"legs must be at least 2, not {self.legs}")


def test_what_is_not_set_has_its_default():
    assert configured(Bench, {"material": "oak"}, "a bench") == Bench("oak")


def test_integers_are_widened_where_a_float_is_asked_for():
    bench = configured(Bench, {"material": "oak", "length": 2, "further": {"arms": 2}}, "a bench")
    assert bench == Bench("oak", length=2.0, further={"arms": 2})
    assert type(bench.length) is float


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"legs": 3}, r"^a bench needs the setting 'material'$"),
        ({"material": "oak", "leg": 3}, r"^a bench has no setting 'leg'; did you mean 'legs'\?$"),
        ({"material": "oak", 7: 3}, r"^a bench has no setting 7; there are material, legs, "),
        ({"material": "oak", "legs": True}, r"^legs must be of type int, not True$"),
        ({"material": "oak", "legs": 3.0}, r"^legs must be of type int, not 3\.0$"),
        ({"material": "oak", "length": "2"}, r"^length must be of type float \| None, not '2'$"),
        ({"material": "oak", "carvings": ["rose", 2]}, r"^carvings must be of type list, not \['rose', 2\]$"),
        ({"material": "oak", "legs": 1}, r"^legs must be at least 2, not 1$"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(Refused, match=message):
        configured(Bench, settings, "a bench")
