"""Reading the package's source: what a file imports and spells out, and a digest of what it computes."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hista_repro.files import sha256_of


@dataclass(frozen=True)
class Source:
    """What one file of Python says."""

    names: frozenset[str]
    """Of the package's modules, and of what is in them: those that it imports anywhere, and spells out as text, as for `python -m`."""
    strings: frozenset[str]
    digest: str
    """Of its code; docstrings, lines of comment and empty lines left out."""


def read_source(path: Path) -> Source:
    """Raises `SyntaxError` for a file that is not Python, and `OSError`."""
    info = path.stat()
    return _read(path, info.st_mtime_ns, info.st_size)


def parse_source(code: str) -> Source:
    """`read_source` for text."""
    nodes = list(ast.walk(ast.parse(code)))
    strings = frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    named = strings.union(*map(_imported, nodes))
    names = frozenset(name for name in named if name.partition(".")[0] == "hista_repro")
    return Source(names, strings, hashlib.sha256("\n".join(_lines_of_code(code, nodes)).encode()).hexdigest())


def code_digest(*paths: Path) -> str:
    """One digest over what files, and all files below folders, compute: `Source.digest` of Python, the contents of all others.

    A record that took hours outlives a better docstring.
    """
    members = [(path.name, path) for path in paths if not path.is_dir()]
    for folder in filter(Path.is_dir, paths):
        found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
        members += [(path.relative_to(folder).as_posix(), path) for path in found]
    digests = [f"{name}\x1f{_digest_of(path)}\n" for name, path in members]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    if path.suffix != ".py":
        info = path.stat()
        return _contents(path, info.st_mtime_ns, info.st_size)
    return read_source(path).digest


@cache
def _read(path: Path, changed: int, size: int) -> Source:
    return parse_source(path.read_text(encoding="utf-8"))


@cache
def _contents(path: Path, changed: int, size: int) -> str:
    return sha256_of(path)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _lines_of_code(code: str, nodes: list[ast.AST]) -> Iterator[str]:
    prose: set[int] = set()
    begun: set[int] = set()
    in_strings: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose.update(range(node.lineno, node.end_lineno + 1))
        elif isinstance(node, ast.stmt):
            begun.add(node.lineno)
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            in_strings.update(range(node.lineno + 1, node.end_lineno + 1))
    for number, line in enumerate(code.split("\n"), start=1):
        if number in prose and number not in begun:
            continue
        if number in in_strings or (line.strip() and not line.lstrip().startswith("#")):
            yield line
