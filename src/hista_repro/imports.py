"""What of the package's source a notebook can reach: the modules that it imports, those that they import, and so on.

Read from the source, nothing is run, so what is imported only on some path counts too. One edge cannot be read there: estimators are found
by name at run time. `hista_cosine.py` counts where all words of its own name appear in names that the notebook, its parameters or a
module that it reaches spell out ("hista-cosine" may be put together from "hista" and "-cosine").
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hista_repro
from hista_repro.source_files import parse_source, read_source

_PACKAGE = Path(hista_repro.__file__).parent
_BY_NAME = "estimators"
"""The folder of modules that are found by name."""
_NAMES = re.compile(r"-?[a-z0-9]+(-[a-z0-9]+)*-?")
"""Text that may be an estimator's name, or a piece of one."""


def reached_files(code: str, texts: Iterable[str] = (), package: Path = _PACKAGE) -> list[Path]:
    """The files of `package` that decide what `code` computes, given strings from elsewhere (`texts`), sorted.

    Files that are not Python belong to the package folder that they lie in. Raises `SyntaxError` for code that is not Python.
    """
    source = parse_source(code)
    modules: set[Path] = set()
    _add_closure(modules, _named(source.names, package), package)
    if package / _BY_NAME / "registry.py" in modules:
        spelled = set(texts).union(source.strings, *(read_source(path).strings for path in modules if path.parent.name != _BY_NAME))
        words = {word for text in spelled if _NAMES.fullmatch(text) for word in text.split("-")}
        by_name = [
            path
            for path in (package / _BY_NAME).glob("[!_]*.py")
            if "available_estimators" in code or words.issuperset(path.stem.split("_"))
        ]
        _add_closure(modules, by_name, package)
    return sorted(modules | _data_of({path.parent for path in modules}, package))


def strings_in(value: Any) -> Iterator[str]:
    """Every string in a JSON document, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *strings_in(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from strings_in(item)


def _add_closure(modules: set[Path], start: Iterable[Path], package: Path) -> None:
    """Add `start`, and all that they import, to `modules`."""
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path not in modules:
            modules.add(path)
            waiting += _named(read_source(path).names, package)


@cache
def _named(names: frozenset[str], package: Path) -> tuple[Path, ...]:
    """The modules with these dotted names, with the packages around them; looked for once, since many sources are asked about together."""
    found: dict[Path, None] = {}
    for name in sorted(names):
        folder = package
        found[package / "__init__.py"] = None
        for part in name.split(".")[1:]:
            if (folder / f"{part}.py").is_file():
                found[folder / f"{part}.py"] = None
            folder = folder / part
            if not (folder / "__init__.py").is_file():
                break
            found[folder / "__init__.py"] = None
    return tuple(found)


def _data_of(folders: set[Path], package: Path) -> set[Path]:
    """The files that are not Python of package folders, with those of folders below that are no packages."""
    files = (path for path in package.rglob("[!.]*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return {path for path in files if next(folder for folder in path.parents if (folder / "__init__.py").is_file()) in folders}
