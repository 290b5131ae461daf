"""Rows of a data set on the Hugging Face hub."""

from typing import TYPE_CHECKING

from hista_repro.errors import Refused

if TYPE_CHECKING:
    from datasets import Dataset


def load_rows(name: str, config: str | None, split: str, revision: str | None = None) -> "Dataset":
    """The rows of one split, in the order of the set; without `revision`, the newest. Raises `Refused` where they cannot be had."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise Refused(f"{name} is read by the package datasets: pip install datasets") from None
    try:
        return load_dataset(name, config, split=split, revision=revision)
    except Exception as error:  # datasets lets the errors of every layer below it through
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        asked = f"{name} at {revision}" if revision else name
        raise Refused(f"the hub did not give the data set {asked}: {reason}") from error
