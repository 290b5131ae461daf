"""Values against declared types, as parameters of notebooks and fields of configurations have them."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from hista_repro.errors import Refused, did_you_mean

Configuration = TypeVar("Configuration")


def configured(cls: type[Configuration], settings: Mapping[str, Any], what: str) -> Configuration:
    """The dataclass `cls` of these settings, which configure `what` ("a build").

    Raises `Refused` for a setting that does not exist, one that is missing and one of another type, and whatever `cls` raises.
    """
    kinds = {field.name: field.type for field in fields(cls)}
    checked = {}
    for name, value in settings.items():
        if name not in kinds:
            raise Refused(f"{what} has no setting {name!r}; {did_you_mean(str(name), kinds)}")
        try:
            checked[name] = conform(value, kinds[name])
        except TypeError:
            raise Refused(f"{name} must be of type {getattr(kinds[name], '__name__', kinds[name])}, not {value!r}") from None
    for field in fields(cls):
        if field.name not in checked and field.default is MISSING and field.default_factory is MISSING:
            raise Refused(f"{what} needs the setting {field.name!r}")
    return cls(**checked)


def conform(value: Any, kind: Any) -> Any:
    """`value` as `kind`, with integers widened where a float is asked for; raises `TypeError` where it is of another type.

    A bool is no integer, an integer no bool, and a float that is not finite is refused: JSON could not record it.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or (origin is Literal and value in arguments):
        return value
    if origin in (Union, UnionType):
        return _conform_to_one_of(value, arguments)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is not (origin or kind) or kind is float:
        raise TypeError(f"{value!r} is no {kind}")
    if origin is list:
        return [conform(item, arguments[0]) for item in value]
    if origin is dict:
        return {conform(key, arguments[0]): conform(item, arguments[1]) for key, item in value.items()}
    return value


def _conform_to_one_of(value: Any, kinds: tuple) -> Any:
    for kind in sorted(kinds, key=lambda kind: type(value) is not kind):
        try:
            return conform(value, kind)
        except TypeError:
            continue
    raise TypeError(f"{value!r} is none of {kinds}")
