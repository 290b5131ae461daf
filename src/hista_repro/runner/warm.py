"""Processes that begin with the libraries of notebooks loaded: loading them anew takes longer than what a small notebook does.

One process, the fork server of `multiprocessing`, loads them and computes nothing. From it are forked the processes that execute notebooks
(`child.py`), and these fork their kernels. Kernels that other programs start by the name of our provisioner, such as pytest's nbval, come
from a fork server of theirs.
"""

import gc
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import zmq
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.paths import jupyter_runtime_dir

from hista_repro.files import write_json

_PROVISIONER = "hista-repro-warm"
"""The name of `WarmProvisioner` among the entry points of the package."""
_LIBRARIES = [
    *("hista_repro.notebook_format", "papermill", "ipykernel.kernelapp", "myst_nb"),
    *("pandas", "scipy.stats", "seaborn", "matplotlib.backends.backend_pdf", "torch", "transformers.modeling_utils"),
    *("hista_repro.artifacts.measurements", "hista_repro.training"),  # the code whose digest was taken when the batch began
]
"""What cannot be imported is left out."""
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's allocator; a thread beside a fork may leave the fork a lock for ever
}
"""What Python and libraries read once, when they are loaded; bars appear in the progress file only."""


@contextmanager
def warm_processes() -> Iterator[None]:
    """Within, processes of the context "forkserver" begin with the libraries of notebooks."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_LIBRARIES)
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def write_kernel(jupyter: Path) -> None:
    """Make python3, for programs with `jupyter` as their JUPYTER_PATH, this very Python with the libraries of notebooks loaded.

    Whatever kernels the user has installed under that name.
    """
    kernel = get_kernel_dict()
    kernel["metadata"] |= {"kernel_provisioner": {"provisioner_name": _PROVISIONER}}
    write_json(jupyter / "kernels" / "python3" / "kernel.json", kernel)


def end_with_parent(end: Any) -> None:
    """Call `end` in a thread of its own when the process that asked for this one is gone, however it went."""
    gone = multiprocessing.parent_process().sentinel

    def watch() -> None:
        wait([gone])
        end()

    threading.Thread(target=watch, daemon=True).start()


class WarmKernel:
    """A process that becomes an IPython kernel when it is told the command line; it offers what provisioners use of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, start_method: str) -> None:
        context = multiprocessing.get_context(start_method)
        self._orders, orders = context.Pipe()
        self._process = context.Process(target=_wait_to_be_a_kernel, args=(orders,), daemon=True)
        self._process.start()
        orders.close()

    def launch(self, command: list[str], environment: Mapping[str, str], folder: str | None) -> None:
        """Become the kernel of `command`; returns when the kernel's process leads a group of its own."""
        arguments = [*command[command.index("-f") :], f"--IPKernelApp.parent_handle={os.getpid()}"]
        self._orders.send((arguments, dict(environment), folder))
        self._orders.recv()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


_waiting: list[WarmKernel] = []


def fork_kernel() -> None:
    """Fork the kernel that the next `WarmProvisioner` of this process is to launch; for a process that has no threads yet."""
    _waiting.append(WarmKernel("fork"))


class WarmProvisioner(LocalProvisioner):
    """Launches IPython kernels that begin with the libraries of notebooks.

    They are spoken to through sockets in a folder of the user's own. Jupyter finds free ports before the kernel binds them, and by then
    another process may have taken one.
    """

    _sockets: tempfile.TemporaryDirectory | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Give the kernel its sockets, where other files of a running kernel lie; ports only where every path is too long for sockets."""
        os.makedirs(jupyter_runtime_dir(), mode=0o700, exist_ok=True)
        for home in (jupyter_runtime_dir(), tempfile.gettempdir()) if self._sockets is None else ():
            if len(os.fsencode(os.path.join(home, "kernel-12345678", "socket-1"))) <= zmq.IPC_PATH_MAX_LEN:
                self._sockets = tempfile.TemporaryDirectory(prefix="kernel-", dir=home)
                self.parent.transport, self.parent.ip = "ipc", os.path.join(self._sockets.name, "socket")
                break
        return await super().pre_launch(**kwargs)

    async def cleanup(self, restart: bool = False) -> None:
        """Also remove the sockets, unless the kernel is to start again."""
        await super().cleanup(restart)
        if self._sockets is not None and not restart:
            self._sockets.cleanup()
            self._sockets = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch the kernel that was forked for this, else one from a fork server."""
        with warm_processes():
            kernel = _waiting.pop() if _waiting else WarmKernel("forkserver")
            kernel.launch(cmd, kwargs["env"], kwargs.get("cwd"))
        self.process = kernel
        self.pid = self.pgid = kernel.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info


def _wait_to_be_a_kernel(orders: Connection) -> None:
    os.setsid()
    gc.freeze()  # what was loaded before the fork stays; every collection, which trainers ask for often, would look through it
    end_with_parent(lambda: os._exit(1))
    arguments, environment, folder = orders.recv()
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    orders.send(None)
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance(argv=arguments)
