"""Names to estimators."""

import importlib
import importlib.util
import os
import pkgutil
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import hista_repro.estimators
from hista_repro.errors import Refused, did_you_mean
from hista_repro.estimators.base import Estimator, Information


def available_estimators() -> dict[str, Information]:
    """The name of every estimator that can be found, with its information set."""
    return {name: estimator.information for name, estimator in sorted(_estimators(os.environ.get("HISTA_REPRO_PLUGINS", "")).items())}


def get_estimator(name: str, **settings: Any) -> Estimator:
    """The estimator called `name`, with hyper-parameters replaced by `settings`.

    Raises `Refused` for an unknown name, `TypeError` for a setting that the estimator does not have.
    """
    known = _estimators(os.environ.get("HISTA_REPRO_PLUGINS", ""))
    if name not in known:
        raise Refused(f"unknown estimator {name!r}; {did_you_mean(name, sorted(known))}")
    return replace(known[name], **settings) if settings else known[name]


@cache
def _estimators(plugin_folders: str) -> dict[str, Estimator]:
    found: dict[str, Estimator] = {}
    for module in [*_own_modules(), *_entry_points(), *_plugin_files(plugin_folders)]:
        for estimator in getattr(module, "ESTIMATORS", ()):
            if estimator.name in found:
                raise Refused(f"two estimators are called {estimator.name!r}; the second is in {module.__file__}")
            found[estimator.name] = estimator
    return found


def _own_modules() -> list[ModuleType]:
    package = hista_repro.estimators
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _entry_points() -> list[ModuleType]:
    return [point.load() for point in sorted(entry_points(group="hista_repro.estimators"), key=lambda point: point.name)]


def _plugin_files(folders: str) -> list[ModuleType]:
    modules = []
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise Refused(f"HISTA_REPRO_PLUGINS names {folder}, which is no folder")
        for file in sorted(Path(folder).glob("*.py")):
            spec = importlib.util.spec_from_file_location(f"hista_repro_plugin_{file.stem}", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            modules.append(module)
    return modules
