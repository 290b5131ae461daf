"""The process that executes one notebook, with the kernel that it forks.

It ends itself and its kernel when the runner is gone, however the runner ended, so that no orphan goes on writing. It exits with 0 if
papermill was content, with 1 otherwise, with the reason in the file `error`.
"""

import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from traitlets.config import Config

from hista_repro.runner.processes import kill_tree
from hista_repro.runner.warm import end_with_parent, fork_kernel

_ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})
"""Other users of the machine can listen to the kernel's sockets; they shall hear nothing."""


def execute_notebook(job: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Execute the notebook at `job["notebook"]` into `job["executed"]`, with `job["parameters"]`."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whether to stop is the runner's to decide
    os.dup2(2, 1)  # nothing but one JSON document may appear on the runner's standard output
    os.environ.clear()
    os.environ.update(environment)
    fork_kernel()
    end_with_parent(lambda: kill_tree(os.getpid()))
    with ThreadPoolExecutor(1) as pool:  # outside the main thread, nbclient cannot replace what was decided about signals
        code = pool.submit(_execute, job).result()
    sys.exit(code)


def _execute(job: Mapping[str, Any]) -> int:
    import papermill  # here, since the runner's own process imports this module and never needs it

    try:
        papermill.execute_notebook(
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


def _unformatted(path: str) -> str:
    """papermill takes a path for a format string."""
    return path.replace("{", "{{").replace("}", "}}")
