"""The process that executes one notebook, with the kernel that it forks.

It ends itself and its kernel when the runner is gone, however the runner ended, so that no orphan goes on writing. It exits with 0 if
papermill was content, and with 1 otherwise.
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
"""Other users of the machine can listen where kernels have ports and not sockets of their own; they shall hear nothing."""


def execute_notebook(notebook: Path, executed: Path, parameters: dict[str, Any], error: Path, environment: Mapping[str, str]) -> None:
    """Be the process that executes `notebook` with `parameters` into the file `executed`, and writes what went wrong to `error`."""
    os.setsid()
    # Whether to stop is the runner's to decide. Kernels inherit this: papermill interrupts each before it ends it, which they report.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.dup2(2, 1)  # nothing but one JSON document may appear on the runner's standard output
    os.environ.clear()
    os.environ.update(environment)
    fork_kernel()
    end_with_parent(lambda: kill_tree(os.getpid()))
    with ThreadPoolExecutor(1) as pool:  # outside the main thread, nbclient cannot replace what was decided about signals
        reason = pool.submit(_reason_not_executed, notebook, executed, parameters).result()
    if reason is not None:
        error.write_text(reason, encoding="utf-8")
        sys.exit(1)


def _reason_not_executed(notebook: Path, executed: Path, parameters: dict[str, Any]) -> str | None:
    import papermill  # here, since the runner's own process imports this module and never needs it

    try:
        papermill.execute_notebook(
            _unformatted(notebook),
            _unformatted(executed),
            parameters=parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            stderr_file=sys.stderr,  # what the kernel says is shown as it comes, besides being kept in the notebook
            record_timing=False,
            config=_ENCRYPTED,
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _unformatted(path: Path) -> str:
    """papermill takes a path for a format string."""
    return str(path).replace("{", "{{").replace("}", "}}")
