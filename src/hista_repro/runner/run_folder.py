"""The folder of a run: executed notebooks, results, figures, a status file for each artifact, and a log.

An artifact's status file is written last, so what it says is true at every moment: files that it calls done are all in place.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hista_repro.files import append_event, read_events, read_json, write_json
from hista_repro.notebook_format import NotebookNode
from hista_repro.runner.keys import ContentKey
from hista_repro.runner.notebooks import write_notebook
from hista_repro.runner.processes import is_alive


class RunFolder:
    """`path` with `notebooks/`, `results/`, `figures/`, `failed/`, `status/` and `log.jsonl`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()

    def staging(self, artifact_id: str) -> Path:
        """Where a notebook works; nothing there is a result until `install` moves it."""
        return self.path / ".staging" / artifact_id

    def stamp(self, artifact_id: str) -> dict[str, Any] | None:
        """What the status file says; a run whose process is gone counts as interrupted, an unreadable file as none."""
        try:
            stamp = read_json(self._stamp_path(artifact_id))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None
        if stamp["status"] == "running" and not is_alive(stamp["process"]):
            stamp["status"] = "interrupted"
        return stamp

    def outdated(self, stamp: dict[str, Any], key: ContentKey) -> list[str]:
        """What has changed since a run that is done: parts of the content key, "outputs" where files are gone; nothing if fresh."""
        gone = [] if all((self.path / output).is_file() for output in stamp["outputs"]) else ["outputs"]
        return key.differences(stamp["key"]) + gone

    def recover(self) -> None:
        """Clear up, in a folder that this process holds, behind one that was killed: what it left as running was interrupted."""
        self.clear_staging()
        for path in sorted((self.path / "status").glob("*.json")):
            stamp = self.stamp(path.stem)
            if stamp is not None and stamp.pop("process", None):
                self.write_stamp(stamp | {"status": "interrupted"})
                self.log({"id": path.stem, "status": "interrupted", "started": stamp["started"]})

    def clear_staging(self) -> None:
        shutil.rmtree(self.path / ".staging", ignore_errors=True)

    def write_stamp(self, stamp: dict[str, Any]) -> None:
        write_json(self._stamp_path(stamp["id"]), stamp)

    def log(self, event: dict[str, Any]) -> None:
        """Append one line to the log, on disk when this returns. A line that an earlier kill tore is closed first."""
        with self._writing:
            append_event(self.path / "log.jsonl", event)

    def read_log(self) -> list[dict[str, Any]]:
        """The events of the log, oldest first, without lines that a kill tore."""
        return read_events(self.path / "log.jsonl")

    def install(self, out: Path, name: str, notebook: NotebookNode, before: Iterable[str]) -> list[str]:
        """Move what a notebook made in `out`, and the executed `notebook` called `name`, into place; returns their paths in the folder.

        Everything is written before anything is moved, so a full disk leaves the earlier outputs as they were. Those of them (`before`)
        that were not made again go, and so does a failed notebook of this name.
        """
        write_notebook(out / "notebooks" / name, notebook)
        outputs = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
        for output in outputs:
            (self.path / output).parent.mkdir(parents=True, exist_ok=True)
            os.replace(out / output, self.path / output)
        names = [output.as_posix() for output in outputs]
        for stale in {f"failed/{name}", *before}.difference(names):
            (self.path / stale).unlink(missing_ok=True)
        return names

    def keep_failed(self, name: str, notebook: NotebookNode) -> None:
        """Keep a failed notebook for reading; the last good one stays where it is."""
        write_notebook(self.path / "failed" / name, notebook)

    def _stamp_path(self, artifact_id: str) -> Path:
        return self.path / "status" / f"{artifact_id}.json"
