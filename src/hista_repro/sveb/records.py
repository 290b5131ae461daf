"""The files of a build folder: their columns, the parts they are gathered from, and the manifest.

A table is gathered from parts, one for each unit of work, and a part appears in one step (written beside and moved into place). So a
build that is killed loses at most the parts it was computing, and the gathered files do not depend on how often it was interrupted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hista_repro.errors import Refused
from hista_repro.files import read_json, write_atomically

Row = dict[str, Any]

_TOKENS = pa.list_(pa.int32())
_REWARDS = pa.list_(pa.float32())

_ROLLOUTS = pa.schema(
    {
        "problem_id": pa.string(),
        "sample": pa.int32(),
        "token_ids": _TOKENS,
        "token_ends": _TOKENS,
        "text": pa.string(),
        "outcome": pa.string(),
        "reward": pa.float32(),
        "finish_reason": pa.string(),
    }
)

SCHEMAS = {
    "problems": pa.schema(
        {
            "problem_id": pa.string(),
            "domain": pa.string(),
            "source": pa.string(),
            "problem": pa.string(),
            "answer": pa.string(),
            "prompt": pa.string(),
            "prompt_token_ids": _TOKENS,
            "screened": pa.int32(),
            "correct": pa.int32(),
            "truncated": pa.int32(),
            "median_tokens": pa.float32(),
            "new_numbers": pa.float32(),
            "kept": pa.bool_(),
        }
    ),
    "screening": _ROLLOUTS,
    "rollouts": _ROLLOUTS,
    "pool": _ROLLOUTS,
    "states": pa.schema(
        {
            "state_id": pa.string(),
            "problem_id": pa.string(),
            "domain": pa.string(),
            "sample": pa.int32(),
            "token_index": pa.int32(),
            "fraction": pa.float32(),
        }
    ),
    "references": pa.schema(
        {
            "state_id": pa.string(),
            "n": pa.int32(),
            "successes": pa.int32(),
            "rewards": _REWARDS,
            "draws": _REWARDS,
            "unparsed": pa.int32(),
            "timeouts": pa.int32(),
            "truncated": pa.int32(),
            "tokens": pa.int64(),
        }
    ),
}
"""Columns of `<name>.parquet`. `screening` holds the rollouts that decided which problems are kept, `rollouts` those that states are cut
from, `pool`, in a build with an independent pool, those that estimators see instead. `rewards` are the n reference rewards in the order
drawn, `draws` those kept for MCS@k; `unparsed`, `timeouts`, `truncated` and `tokens` (newly written ones) count over both."""


def write_table(path: Path, rows: Iterable[Row], name: str) -> None:
    table = pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])
    write_atomically(path, lambda temporary: pq.write_table(table, temporary))


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table `name` of a finished build; raises `Refused` where `folder` holds none."""
    path = folder / f"{name}.parquet"
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError:
        raise Refused(f"{folder} holds no finished build ({path.name} is missing); run `hista-repro sveb build` first") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise Refused(f"cannot read {path}: {error}") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished build; raises `Refused` where there is none or the build is not done."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise Refused(f"{folder} holds no build (manifest.json is missing); run `hista-repro sveb build` first")
    manifest = read_json(path)
    if "config" not in manifest or "status" not in manifest:
        raise Refused(f"{path} is not that of a build; run `hista-repro sveb build` into another folder first")
    if manifest["status"] != "done":
        raise Refused(f"the build in {folder} is not finished; run the same `hista-repro sveb build` again to go on")
    return manifest


def gather(
    folder: Path,
    name: str,
    units: Sequence[tuple],
    make: Callable[[Mapping[int, tuple]], Iterable[tuple[int, list[Row]]]],
    on_part: Callable[[int, bool], object] = lambda rows, made_before: None,
) -> pd.DataFrame:
    """The table `name`: the rows of each unit, in order; parts that an earlier run left are taken as they are.

    `make` is given the missing units by number, and gives (number, rows) of each when it has them, in whatever order. `on_part` is called
    with the number of rows of each part, and whether an earlier run made it.
    """
    path = folder / f"{name}.parquet"
    parts = [folder / "parts" / name / f"{number:06d}.parquet" for number in range(len(units))]
    if not path.exists():
        missing = {number: unit for number, unit in enumerate(units) if not parts[number].exists()}
        for number, part in enumerate(parts):
            if number not in missing:
                on_part(pq.read_metadata(part).num_rows, True)
        for number, rows in make(missing):
            write_table(parts[number], rows, name)
            on_part(len(rows), False)
        tables = [pq.read_table(part) for part in parts]
        table = pa.concat_tables(tables) if tables else SCHEMAS[name].empty_table()
        write_atomically(path, lambda temporary: pq.write_table(table, temporary))
    return read_table(folder, name)


def in_order(make_one: Callable[..., list[Row]]) -> Callable[[Mapping[int, tuple]], Iterable[tuple[int, list[Row]]]]:
    """What `gather` takes, from a function that gives the rows of one unit."""
    return lambda units: ((number, make_one(*unit)) for number, unit in units.items())
