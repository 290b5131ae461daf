"""Names to estimators."""

import hashlib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
import traceback
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import hista_repro.estimators
from hista_repro.errors import Refused, did_you_mean
from hista_repro.estimators.base import Estimator, Information

_NO_WORD = re.compile(r"\W")


def available_estimators() -> dict[str, Information]:
    """The name of every estimator that can be found, with its information set.

    Raises `Refused` for a plugin, be it a file or an entry point, that cannot be imported or lists no estimators, and for two estimators
    of one name.
    """
    return {name: estimator.information for name, estimator in sorted(_estimators(os.environ.get("HISTA_REPRO_PLUGINS", "")).items())}


def get_estimator(name: str, **settings: Any) -> Estimator:
    """The estimator called `name`, with hyper-parameters replaced by `settings`.

    Raises `Refused` for an unknown name and as `available_estimators` does, `TypeError` for a setting that the estimator does not have.
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
            if not isinstance(estimator, Estimator):
                raise Refused(f"ESTIMATORS of {module.__file__} holds {estimator!r}, which is no object of a class derived from Estimator")
            if estimator.name in found:
                raise Refused(f"two estimators are called {estimator.name!r}; the second is in {module.__file__}")
            found[estimator.name] = estimator
    return found


def _own_modules() -> list[ModuleType]:
    package = hista_repro.estimators
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def _entry_points() -> list[ModuleType]:
    return [_entry_point(point) for point in sorted(entry_points(group="hista_repro.estimators"), key=lambda point: point.name)]


def _entry_point(point: EntryPoint) -> ModuleType:
    what = f"the entry point {point.name} = {point.value}"
    try:
        module = point.load()
    except Exception as error:
        raise _not_imported(what, error) from error
    if not hasattr(module, "ESTIMATORS"):
        raise Refused(f"{what} has no list ESTIMATORS; add it to the module, or uninstall the package")
    return module


def _plugin_files(folders: str) -> list[ModuleType]:
    modules = []
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise Refused(f"HISTA_REPRO_PLUGINS names {folder}, which is no folder")
        modules += [_plugin(file) for file in sorted(Path(folder).resolve().glob("[!_]*.py"))]
    return modules


def _plugin(file: Path) -> ModuleType:
    """The module of `file`, found in `sys.modules` like any other: dataclasses, pickles and digests of its source look for it there."""
    # two folders may have files of one name
    name = f"hista_repro_plugin_{_NO_WORD.sub('_', file.stem)}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f"{file}, line {lines[-1]}" if lines else file
        raise _not_imported(f"the plugin {where}", error) from error
    if not hasattr(module, "ESTIMATORS"):
        del sys.modules[name]
        raise Refused(f"the plugin {file} has no list ESTIMATORS; add it, or begin the name of the file with an underscore")
    return module


def _not_imported(what: str, error: Exception) -> Refused:
    return Refused(f"{what} cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}")
