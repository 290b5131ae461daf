"""Profiles: the sizes at which the artifacts are made. A profile gives parameter values, never logic."""

import re
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused, did_you_mean
from hista_repro.profiles import PROFILES
from hista_repro.yaml12 import load_yaml


@dataclass(frozen=True)
class Profile:
    """One profile file."""

    name: str
    description: str
    timeout_minutes: float
    """How long one notebook may take before it is stopped."""
    gpus: float
    """How many GPUs a notebook, and a worker of a build, holds under Ray."""
    builds: dict[str, dict[str, Any]]
    """Named settings of SVEB builds (`sveb.config.BuildConfig`), which the parameter values refer to by YAML anchors."""
    artifacts: dict[str, dict[str, Any]]
    """Artifact id -> parameter values of its notebook. An artifact that is not listed is not made at this size."""


_TYPES = {"name": str, "description": str, "timeout_minutes": (int, float), "gpus": (int, float), "builds": dict, "artifacts": dict}


def load_profile(profile: str) -> Profile:
    """The profile that comes with the package under this name, or the one in a `.yaml` file of one's own.

    Raises `Refused` for an unknown name, a file that is not YAML, and a field that is missing, unknown or of the wrong type.
    """
    if profile in PROFILES:
        text = (files("hista_repro.profiles") / f"{profile}.yaml").read_text(encoding="utf-8")
    elif profile.endswith((".yaml", ".yml")):
        text = _read(Path(profile))
    else:
        raise Refused(f"unknown profile {profile!r}; {did_you_mean(profile, PROFILES)}")
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise Refused(f"profile {profile} is not YAML: {error}") from None
    return _checked(document, profile)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read the profile {path}: {getattr(error, 'strerror', None) or error}") from None


def _checked(document: Any, profile: str) -> Profile:
    if not isinstance(document, dict):
        raise Refused(f"profile {profile} must be a mapping of fields, not {document!r}")
    names = [field.name for field in fields(Profile)]
    for name in document:
        if name not in names:
            raise Refused(f"profile {profile} has the unknown field {name!r}; {did_you_mean(str(name), names)}")
    for name in names:
        if name not in document:
            raise Refused(f"profile {profile} lacks the field {name!r}")
        if not isinstance(document[name], _TYPES[name]) or isinstance(document[name], bool):
            raise Refused(f"profile {profile}: the field {name!r} is {document[name]!r}, which is of the wrong type")
    if document["timeout_minutes"] <= 0:
        raise Refused(f"profile {profile}: timeout_minutes must be above 0, not {document['timeout_minutes']!r}")
    if document["gpus"] < 0:
        raise Refused(f"profile {profile}: gpus must not be negative, as {document['gpus']!r} is")
    if not re.fullmatch(r"[\w-]+", document["name"]):
        raise Refused(f"profile {profile}: name must be a plain word, since it names a folder, not {document['name']!r}")
    for name in ("builds", "artifacts"):
        for key, value in document[name].items():
            if not isinstance(value, dict):
                raise Refused(f"profile {profile}: {name}.{key} must be a mapping, {{}} for none, not {value!r}")
    return Profile(**document)
