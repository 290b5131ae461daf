"""Where a result comes from: source, versions, hardware. Nothing here names the machine, its user or a folder of it."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import hista_repro

_PACKAGE = Path(hista_repro.__file__).parent
_WITH_A_SAY = (
    "accelerate",
    "datasets",
    "deepspeed",
    "gguf",
    "ipykernel",
    "math-verify",
    "nbclient",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "ray",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "vllm",
)
"""Packages whose version may change a result."""


def describe() -> dict[str, Any]:
    """`commit`, `dirty`, `versions`, `platform` and `hardware`, as JSON takes them."""
    return {**source_state(), "versions": versions(), "platform": platform_name(), "hardware": hardware()}


def history(manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What describes each start of a piece of work: `provenance`, the first, and `restarts`, all later ones, of which this one is the last.

    `manifest` is what an earlier start wrote, None where this is the first. One that only counts its restarts tells nothing of them: {}.
    """
    if manifest is None:
        return {"provenance": describe(), "restarts": []}
    earlier = manifest["restarts"] if isinstance(manifest["restarts"], list) else [{}] * manifest["restarts"]
    return {"provenance": manifest["provenance"], "restarts": [*earlier, describe()]}


def source_state() -> dict[str, Any]:
    """`commit`: the checkout's commit; `dirty`: whether source or notebooks differ from it. Both None for an installed package."""
    checkout = _PACKAGE.parent.parent
    commit = _output_of("git", "-C", str(checkout), "rev-parse", "HEAD") if (checkout / ".git").exists() else None
    if not commit:
        return {"commit": None, "dirty": None}
    changes = _output_of("git", "-C", str(checkout), "--no-optional-locks", "status", "--porcelain", "--", "src", "notebooks")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def versions() -> dict[str, str]:
    """Version of Python, of this package, and of every installed package that has a say in results."""
    found = {"python": platform.python_version(), "hista-repro": hista_repro.__version__}
    for package in _WITH_A_SAY:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def platform_name() -> str:
    """Operating system, architecture and C library, such as "Linux x86_64 glibc 2.36"."""
    return " ".join(part for part in (platform.system(), platform.machine(), *platform.libc_ver()) if part)


def hardware() -> dict[str, Any]:
    """`cpu` (model name), `cores` that this process may use, `memory_gib`, and `gpus` (names as the driver gives them)."""
    gpus = _output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") if shutil.which("nvidia-smi") else None
    return {"cpu": _cpu_name(), "cores": _cores(), "memory_gib": _memory_gib(), "gpus": (gpus or "").splitlines()}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _output_of(*command: str) -> str | None:
    """What a command prints, None where it cannot be run or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
