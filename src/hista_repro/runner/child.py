"""The process that executes one notebook: `python -m hista_repro.runner.child`, its job as one line of JSON on standard input.

Standard input stays open for as long as the runner lives. When it closes, however the runner ended, this process ends itself and its
kernel, so that no orphan goes on writing. It exits with 0 if papermill was content, with 1 otherwise, with the reason in the file `error`.
"""

import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from papermill import execute_notebook
from traitlets.config import Config

from hista_repro.runner.processes import kill_tree

_ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})
"""Other users of the machine can listen to the kernel's sockets; they shall hear nothing."""


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whether to stop is the runner's to decide
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    with ThreadPoolExecutor(1) as pool:  # outside the main thread, nbclient cannot replace what was decided about signals
        return pool.submit(_execute, job).result()


def _execute(job: dict[str, Any]) -> int:
    try:
        execute_notebook(
            _unformatted(job["notebook"]),
            _unformatted(job["executed"]),
            parameters=job["parameters"],
            kernel_name="python3",
            language="python",
            progress_bar=False,
            stderr_file=sys.stderr,  # what the kernel says is shown as it comes, besides being kept in the notebook
            record_timing=False,
            config=_ENCRYPTED,
        )
    except Exception as error:
        Path(job["error"]).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        return 1
    return 0


def _end_with_the_runner() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    kill_tree(os.getpid())


def _unformatted(path: str) -> str:
    """papermill takes a path for a format string."""
    return path.replace("{", "{{").replace("}", "}}")


if __name__ == "__main__":
    sys.exit(main())
