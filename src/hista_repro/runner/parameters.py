"""Parameters of a notebook: what its `parameters` cell declares, and checked values for a run.

papermill takes any name and any type. Here a value that does not fit the declaration is refused before anything runs.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hista_repro.conforming import conform
from hista_repro.errors import Refused, did_you_mean
from hista_repro.notebook_format import NotebookNode
from hista_repro.yaml12 import load_yaml

_KINDS = {kind.__name__: kind for kind in (str, int, float, bool, list, dict)} | {"Any": Any, "Literal": Literal}


@dataclass(frozen=True)
class Parameter:
    """One assignment of the `parameters` cell."""

    name: str
    kind: Any
    """A type, a generic alias or a union: what values it takes."""
    declared: str
    """The type as the notebook writes it."""
    default: Any


def read_parameters(notebook: NotebookNode, name: str) -> dict[str, Parameter]:
    """The parameters that `notebook` (called `name` in messages) declares, in order; none without a cell tagged `parameters`.

    Raises `Refused` for a cell that holds anything but assignments of literals, and for a default that is not of the declared type.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) > 1:
        raise Refused(f"{name}: only one cell may be tagged `parameters`, not {len(cells)}")
    try:
        statements = ast.parse(cells[0].source).body if cells else []
    except SyntaxError as error:
        raise Refused(f"{name}: the parameters cell is not Python: {error.msg} in line {error.lineno}") from None
    parameters = [_parameter(statement, name) for statement in statements]
    return {parameter.name: parameter for parameter in parameters}


def check_values(parameters: Mapping[str, Parameter], values: Mapping[str, Any], *, notebook: str, source: str) -> dict[str, Any]:
    """`values` as the declared types, for those given; `source` says in messages where they come from.

    Raises `Refused`, naming notebook, parameter, expected type and given value.
    """
    checked = {}
    for name, value in values.items():
        parameter = _known(parameters, name, notebook, source)
        try:
            checked[name] = conform(value, parameter.kind)
        except TypeError:
            raise _wrong_type(notebook, parameter, value, source) from None
    return checked


def parse_overrides(parameters: Mapping[str, Parameter], overrides: Mapping[str, str], *, notebook: str) -> dict[str, Any]:
    """Values of the command line's `-p NAME=VALUE`: text for a parameter of type `str`, otherwise a YAML 1.2 scalar or JSON.

    Raises `Refused`, naming notebook, parameter, expected type and given value.
    """
    parsed = {}
    for name, text in overrides.items():
        parameter = _known(parameters, name, notebook, "-p")
        for candidate in _readings(text, parameter.kind):
            try:
                parsed[name] = conform(candidate, parameter.kind)
                break
            except TypeError:
                continue
        else:
            raise _wrong_type(notebook, parameter, text, "-p")
    return parsed


def _readings(text: str, kind: Any) -> list[Any]:
    """What `text` may mean, in order of preference."""
    if kind is str:
        return [text]
    try:
        return [load_yaml(text), text]
    except ValueError:
        return [text]


def _parameter(statement: ast.stmt, notebook: str) -> Parameter:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            declared = ast.unparse(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            declared = None
        case _:
            raise Refused(f"{notebook}: the parameters cell may only assign literals to names, not {ast.unparse(statement)!r}")
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise Refused(f"{notebook}: the default of parameter {name!r} must be a literal, not {ast.unparse(value)!r}") from None
    if declared is None:
        kind = Any if default is None else type(default)
        return Parameter(name, kind, getattr(kind, "__name__", "Any"), default)
    kind = _kind(declared, notebook, name)
    try:
        return Parameter(name, kind, declared, conform(default, kind))
    except TypeError:
        raise Refused(f"{notebook}: the default of parameter {name!r} must be {declared}, as annotated, not {default!r}") from None


def _kind(declared: str, notebook: str, name: str) -> Any:
    try:
        kind = eval(declared, {"__builtins__": {}}, _KINDS)
    except Exception:
        kind = ...
    if not _is_kind(kind):
        raise Refused(f"{notebook}: parameter {name!r} is annotated {declared!r}; use {', '.join(_KINDS)}, None, or unions of them")
    return kind


def _is_kind(kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return True
    if origin is None:
        return kind in (*_KINDS.values(), None, NoneType)
    size_fits = len(arguments) == {list: 1, dict: 2}.get(origin, len(arguments))
    return origin in (list, dict, Union, UnionType) and size_fits and all(map(_is_kind, arguments))


def _known(parameters: Mapping[str, Parameter], name: str, notebook: str, source: str) -> Parameter:
    if name not in parameters:
        raise Refused(f"{notebook} has no parameter {name!r} (given by {source}); {did_you_mean(name, parameters)}")
    return parameters[name]


def _wrong_type(notebook: str, parameter: Parameter, value: Any, source: str) -> Refused:
    return Refused(f"{notebook}: parameter {parameter.name!r} must be {parameter.declared}, not {value!r} (given by {source})")
