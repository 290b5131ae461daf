"""A small checkout of notebooks for tests of the runner; `python runner_checkout.py ROOT EXECUTOR [ID ...]` runs it on its own."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest import mock

import psutil

from hista_repro.artifacts.registry import Artifact
from hista_repro.files import write_json
from hista_repro.notebook_format import nbformat
from hista_repro.runner import Outcome, run, status

SAVE = """import json, os, pathlib
out = pathlib.Path(os.environ["HISTA_REPRO_OUT"], "results")
out.mkdir(parents=True, exist_ok=True)
_ = (out / f"{name}.json").write_text(json.dumps({"name": name, "value": value}))"""
"""A cell that leaves a result made of the parameters `name` and `value`."""

FAULT = """import os, pathlib, signal, time
here = pathlib.Path(os.environ["TEST_FAULT"])
fault = here.read_text() if here.exists() else "none"
here.with_name("reached").touch()
if fault == "hang":
    time.sleep(600)
if fault == "raise":
    raise ArithmeticError("a fault in the last cell")
if fault == "die":
    os.kill(os.getpid(), signal.SIGKILL)"""
"""A cell that does what the file named in TEST_FAULT says, and shows that it was reached."""


def is_fork_server(process: psutil.Process) -> bool:
    """Whether a process forks those that execute notebooks, or is one of these, which keep its command line."""
    return any("multiprocessing.forkserver" in argument for argument in process.cmdline())


@dataclass
class Checkout:
    """A folder with `notebooks/`, a profile of its own, and the artifacts that go with them."""

    root: Path
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    sizes: dict[str, dict] = field(default_factory=dict)
    timeout_minutes: float = 2.0
    source: str = "source"
    """Stands for the digest of the package's source, so that a test does not depend on who edits the package meanwhile."""

    def __post_init__(self) -> None:
        (self.root / "notebooks").mkdir(parents=True, exist_ok=True)
        (self.root / "_toc.yml").touch()

    def add(self, artifact_id: str, *cells: str, parameters: str = "", sizes: dict | None = None) -> None:
        """Add an artifact whose notebook saves its parameter `value`, after other parameters and before other cells."""
        declared = f'name: str = "{artifact_id}"\nvalue: float = 0.5\n{parameters}'
        code = [nbformat.v4.new_code_cell(declared, metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, (SAVE, *cells))]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {artifact_id}"), *code])
        nbformat.write(notebook, self.root / "notebooks" / f"{artifact_id}.ipynb")
        self.artifacts[artifact_id] = Artifact(artifact_id, artifact_id.title(), "Section 1", f"{artifact_id}.ipynb", "nothing")
        self.sizes[artifact_id] = sizes or {}
        self.write()

    def write(self) -> None:
        profile = {
            "name": "test",
            "description": "",
            "timeout_minutes": self.timeout_minutes,
            "gpus": 0,
            "builds": {},
            "artifacts": self.sizes,
        }
        write_json(self.profile, profile)
        write_json(self.root / "artifacts.json", [asdict(artifact) for artifact in self.artifacts.values()])

    @property
    def profile(self) -> Path:
        return self.root / "profile.yaml"

    @property
    def out(self) -> Path:
        return self.root / "runs" / "test"

    @property
    def request(self) -> dict:
        return {"profile": str(self.profile), "root": self.root, "artifacts": self.artifacts}

    def run(self, *ids: str, **options) -> dict[str, Outcome]:
        # these notebooks use no others, and loading them would be most of a test's time
        few = ["hista_repro.notebook_format", "papermill", "ipykernel.kernelapp"]
        source = mock.patch("hista_repro.runner.keys.source_digest", lambda notebook, parameters: self.source)
        with source, mock.patch("hista_repro.runner.warm._LIBRARIES", few):
            return {outcome.id: outcome for outcome in run(ids, **self.request, **options)}

    def states(self, *ids: str, **options) -> dict[str, str]:
        return {name: outcome.state for name, outcome in self.run(*ids, **options).items()}

    def status(self, **options) -> list[dict]:
        with mock.patch("hista_repro.runner.keys.source_digest", lambda notebook, parameters: self.source):
            return status(root=self.root, artifacts=self.artifacts, **options)

    def reported(self) -> list[str]:
        """The states that `status` gives."""
        return [row["state"] for row in self.status(out=self.out)]

    def start(self, *ids: str, executor: str = "local") -> subprocess.Popen:
        """Start a run in a process of its own; what it comes to is one line of JSON on its standard output."""
        command = [sys.executable, __file__, str(self.root), executor, *ids]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stamp(self, artifact_id: str) -> dict:
        return json.loads((self.out / "status" / f"{artifact_id}.json").read_text())

    def results(self) -> dict[str, bytes]:
        """Every file that runs made, apart from the runner's own notes."""
        notes = {"status", "log.jsonl", ".lock", ".staging"}
        found = {path.relative_to(self.out): path for path in self.out.rglob("*") if path.is_file()}
        return {str(name): path.read_bytes() for name, path in sorted(found.items()) if name.parts[0] not in notes}


def main(root: str, executor: str, *ids: str) -> int:
    artifacts = {row["id"]: Artifact(**row) for row in json.loads(Path(root, "artifacts.json").read_text())}
    outcomes = Checkout(Path(root), artifacts).run(*ids, executor=executor)
    print(json.dumps({name: outcome.state for name, outcome in outcomes.items()}))
    return int(not all(outcome.ok for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
