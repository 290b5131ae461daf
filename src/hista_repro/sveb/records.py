"""The files of a build folder: their columns, the parts they are gathered from, and the manifest.

A table is gathered from parts, one for each unit of work, and a part appears in one step (written beside and moved into place). So a
build that is killed loses at most the parts it was computing, and the gathered files do not depend on how often it was interrupted.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hista_repro.errors import Refused
from hista_repro.files import read_json, write_atomically

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
            "median_tokens": pa.float32(),
            "new_numbers": pa.float32(),
            "kept": pa.bool_(),
        }
    ),
    "screening": _ROLLOUTS,
    "rollouts": _ROLLOUTS,
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
"""Columns of `<name>.parquet`. `screening` holds the rollouts that decided which problems are kept, `rollouts` the groups. `rewards`
are the n reference rewards in the order drawn, `draws` those kept for MCS@k; `unparsed`, `timeouts`, `truncated` and `tokens` (newly
written ones) count over both."""


def write_table(path: Path, rows: Iterable[dict[str, Any]], name: str) -> None:
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
    if manifest["status"] != "done":
        raise Refused(f"the build in {folder} is not finished; run the same `hista-repro sveb build` again to go on")
    return manifest


def gather(
    folder: Path,
    name: str,
    units: Sequence[Any],
    make: Callable[[Any], list[dict[str, Any]]],
    on_part: Callable[[int], object] = lambda rows: None,
) -> pd.DataFrame:
    """The table `name`: the rows that `make` gives for each unit, in order; parts that an earlier run left are taken as they are.

    `on_part` is called with the number of rows of each part.
    """
    path = folder / f"{name}.parquet"
    parts = folder / "parts" / name
    if not path.exists():
        for number, unit in enumerate(units):
            part = parts / f"{number:06d}.parquet"
            if not part.exists():
                write_table(part, make(unit), name)
            on_part(pq.read_metadata(part).num_rows)
        tables = [pq.read_table(part) for part in sorted(parts.glob("*.parquet"))]
        table = pa.concat_tables(tables) if tables else SCHEMAS[name].empty_table()
        write_atomically(path, lambda temporary: pq.write_table(table, temporary))
    return read_table(folder, name)
