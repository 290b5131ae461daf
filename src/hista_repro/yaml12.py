"""YAML read by the rules of YAML 1.2's core schema, where `1e-5` is a number and `no` is a word.

PyYAML follows YAML 1.1, which takes `1e-5` for text, `010` for eight, `1:30` for ninety and `no` for false. JSON documents are YAML.
"""

import math
import re
from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """The document in `text`; raises `ValueError` with one sentence for text that is not YAML and for a key given twice.

    Infinities and NaN stay words: nothing that is configured here may be one, and JSON could not record it.
    """
    try:
        return yaml.load(text, _CoreSchemaLoader)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{error.problem}{where}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


class _CoreSchemaLoader(yaml.SafeLoader):
    """`SafeLoader` with the scalars of the core schema, and without silently dropped keys."""

    yaml_implicit_resolvers: dict[str, list] = {}  # noqa: RUF012 (read by PyYAML under this name)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    "merge": (r"<<", ["<"]),
}
for _tag, (_pattern, _first) in _SCALARS.items():
    _CoreSchemaLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)
_CoreSchemaLoader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_CoreSchemaLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _finite(loader.construct_scalar(node)))
