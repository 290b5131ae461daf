"""Hidden states of the last layer on disk: for each problem and table of rollouts one memory-mapped file, or several where its rollouts
were made in several units of work.

They are those of the pass that sampled, where the engine keeps them, and else are read again; in half precision the two differ by rounding.

Every token is kept, although estimators compare states at nodes alone: a state may lie at any token, a smoothed row adds up all tokens
before it, and node spacings are theirs to choose, so rows at one stride would give none of them exactly. Half precision halves the size;
of models run in bfloat16 it keeps every bit of values between 6e-5 and 65504, of others 11 bits.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hista_repro.errors import Refused, WorkFailed
from hista_repro.files import write_atomically
from hista_repro.rollouts.group import HiddenStates

LAYER = -1
BYTES = 2
"""Of a value."""
_GIGABYTE = 1e9


def most_bytes(prompt_lengths: Sequence[int], group_size: int, max_tokens: int, depth: int, tables: int = 1) -> int:
    """What a build may take: every candidate problem kept, every rollout as long as it may be, in each of so many tables."""
    return tables * BYTES * depth * sum(length + group_size * max_tokens for length in prompt_lengths)


def refuse_without_room(folder: Path, needed: int) -> None:
    """`Refused` where the disk of `folder`, which need not exist, lacks room for `needed` bytes, those of an earlier start included."""
    home = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(home).free + sum(path.stat().st_size for path in (folder / "hidden").rglob("*.npy"))
    if needed > free:
        raise Refused(
            f"hidden states may take {needed / _GIGABYTE:.3g} GB and {home} has room for {free / _GIGABYTE:.3g} GB; "
            "lower limit, group-size or max-tokens, choose another disk, or build without keep-hidden"
        )


def hidden_path(folder: Path, table: str, number: int, first: int) -> Path:
    """The file of rollouts from number `first` on of the `number`-th problem of a table of rollouts of the build in `folder`."""
    return folder / "hidden" / table / f"{number:06d}-{first:04d}.npy"


def hidden_paths(folder: Path, table: str, number: int) -> list[Path]:
    """The files of the `number`-th problem, in the order of its rollouts."""
    return sorted((folder / "hidden" / table).glob(f"{number:06d}-*.npy"))


def to_rows(parts: Sequence[Tensor]) -> np.ndarray:
    """(R, D) float16: the rows of `parts` (T_i, D), one after the other. Raises `WorkFailed` for values beyond half precision."""
    rows_R_D = torch.cat(list(parts)).half()
    if not torch.isfinite(rows_R_D).all():
        raise WorkFailed("hidden states of this model exceed half precision; build without keep-hidden, in another folder")
    return rows_R_D.numpy()


def write_hidden(path: Path, rows_R_D: np.ndarray) -> None:
    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.save(file, rows_R_D)

    write_atomically(path, write)


def read_hidden(paths: Sequence[Path], prompt_length: int, lengths: Sequence[int]) -> HiddenStates:
    """What the files of one problem hold, as float32: the rows of a prompt and of completions of these lengths in tokens."""
    files = [np.load(path, mmap_mode="r") for path in paths]
    rows_R_D = files[0] if len(files) == 1 else np.concatenate(files)
    ends = np.cumsum([prompt_length, *lengths])
    if ends[-1] != len(rows_R_D):
        raise Refused(f"{paths[0]} and what follows hold {len(rows_R_D)} rows for {ends[-1]} tokens; build again in another folder")
    parts = np.split(rows_R_D, ends[:-1])
    prompt_T_D, *completions = (_float32(part) for part in parts)
    return HiddenStates(prompt_T_D, tuple(completions))


def _float32(rows_T_D: np.ndarray) -> Tensor:
    return torch.from_numpy(rows_T_D.astype(np.float32))
