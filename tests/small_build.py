"""A small build of the benchmark, for tests that make it in more than one way and compare what is written."""

from dataclasses import replace
from pathlib import Path

from hista_repro.sveb import BuildConfig

TABLES = ("screening", "problems", "rollouts", "states", "references")
SMALL = BuildConfig(
    model="tiny",
    problems="arithmetic-steps",
    limit=6,
    group_size=4,
    states=2,
    references=5,
    draws=2,
    screen=8,
    temperature=1.0,
    max_tokens=96,
    batch_tokens=110 * 8,
)
KEEPS_EVERY_PROBLEM = replace(SMALL, screen=4, min_accuracy=0.0, max_accuracy=1.0, batch_tokens=1 << 16)
"""In fewer parts, since nothing stops it."""


def tables(folder: Path) -> dict[str, bytes]:
    """The tables of the build in `folder`, as they lie on disk."""
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}
