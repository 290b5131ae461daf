"""Where the notebooks and pages of the project lie, and the records of their runs."""

import os
from pathlib import Path

from hista_repro.errors import Refused


def find_checkout(root: Path | str | None = None) -> Path:
    """The checkout whose notebooks are run: `root`, else `HISTA_REPRO_ROOT`, else the nearest one around the working directory."""
    given = root or os.environ.get("HISTA_REPRO_ROOT")
    for folder in [Path(given).resolve()] if given else [Path.cwd(), *Path.cwd().parents]:
        if (folder / "notebooks").is_dir() and (folder / "_toc.yml").is_file():
            return folder
    where = f"{given} holds no" if given else "the working directory is not inside a"
    raise Refused(f"{where} checkout of the project (notebooks/ and _toc.yml); change into one or name it in HISTA_REPRO_ROOT")


def records_home(checkout: Path) -> Path:
    """Where expensive records are shared between notebooks: `HISTA_REPRO_RECORDS`, else `runs/records` of the checkout."""
    return Path(os.environ.get("HISTA_REPRO_RECORDS") or checkout / "runs" / "records").resolve()
