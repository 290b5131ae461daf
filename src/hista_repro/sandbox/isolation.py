"""How a program is kept apart from the machine: commands that run another command in namespaces of its own.

In either namespace level the program sees a read-only file system of its own with the system's programs and libraries, the Python that
runs it, four devices and an empty /tmp of bounded size: no home, no other file, no /proc. It has its own process, network, IPC and host
name spaces, of which the network leads nowhere, and no privileges; where the caller is root, it runs as an unprivileged user. The
processes of a namespace end with its first one, however far they have detached themselves.

Not covered: memory is bounded for each process rather than for all together (that takes cgroups), and there is no seccomp filter, so the
kernel itself stays exposed to the program.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path


class Isolation(StrEnum):
    """What stands between a program and the machine."""

    BWRAP = "bwrap"
    """Namespaces made by bubblewrap."""
    NAMESPACES = "namespaces"
    """The same namespaces, made by the util-linux programs unshare, mount, pivot_root and setpriv."""
    NONE = "none"
    """A process of its own with limits and an empty environment: it stops accidents, no attack."""


ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
"""All the environment that a program sees."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_DYNAMIC_USERS = range(61184, 65520)
"""User ids that belong to nobody, by the convention of systemd's DynamicUser."""


def python() -> str:
    """The interpreter that programs run in: this one, without the virtual environment."""
    return os.path.realpath(sys.executable)


def wrap(isolation: Isolation, command: Sequence[str], *, root: Path, disk_bytes: int) -> list[str]:
    """`command` as it runs under `isolation`. `root` is an empty folder of the caller's, `disk_bytes` the size of the program's /tmp."""
    match isolation:
        case Isolation.BWRAP:
            return [*_bwrap(disk_bytes), *_unprivileged(), *command]
        case Isolation.NAMESPACES:
            script = "\n".join([*_enter(root, disk_bytes), shlex.join([*_unprivileged(), *command]), "exit $?"])
            return [*_unshare(), "/bin/sh", "-euc", script]
        case Isolation.NONE:
            return list(command)


def _bwrap(disk_bytes: int) -> list[str]:
    options = ["bwrap", "--die-with-parent", "--new-session", "--clearenv"]
    for name in ("user",) * (os.geteuid() != 0) + ("pid", "net", "ipc", "uts", "cgroup-try"):
        options.append(f"--unshare-{name}")
    for name, value in ENVIRONMENT.items():
        options += ["--setenv", name, value]
    for path in _readable():
        for parent in list(Path(path).parents)[-2::-1]:  # bubblewrap would close those of a home to the unprivileged user
            options += ["--perms", "0755", "--dir", str(parent)]
        link = os.path.islink(path)
        options += ["--symlink", os.readlink(path), path] if link else ["--ro-bind", path, path]
    for path in _DEVICES:
        options += ["--dev-bind", path, path]
    options += ["--perms", "1777", "--size", str(disk_bytes), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"]
    return options


def _unshare() -> list[str]:
    as_root_of_its_own = ["--user", "--map-root-user"] * (os.geteuid() != 0)
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *as_root_of_its_own, *spaces]


def _enter(root: Path, disk_bytes: int) -> Iterator[str]:
    """Lines of shell that build the program's file system in `root` and make it the root."""

    def bind(path: str, options: str, make: str) -> Iterator[str]:
        inside = shlex.quote(f"{root}{path}")
        yield f"mkdir -p {shlex.quote(os.path.dirname(f'{root}{path}'))}; {make} {inside}"
        yield f"mount -n --bind -o {options} {shlex.quote(path)} {inside}"

    yield f"mount -n -t tmpfs -o mode=755,size=1m tmpfs {shlex.quote(str(root))}"
    for path in _readable():
        if os.path.islink(path):
            yield f"ln -s {shlex.quote(os.readlink(path))} {shlex.quote(f'{root}{path}')}"
        else:
            yield from bind(path, "ro,nosuid,nodev", "mkdir" if os.path.isdir(path) else "touch")
    for path in _DEVICES:
        yield from bind(path, "rw", "touch")
    yield f"cd {shlex.quote(str(root))}; mkdir tmp old proc; mount -n -t tmpfs -o mode=1777,size={disk_bytes},nosuid,nodev tmpfs tmp"
    yield "mount -n --rbind /proc proc; mount -n -o remount,bind,ro .; pivot_root . old"  # umount reads /proc
    yield "umount -n -l /old; umount -n -l /proc; cd /tmp"


def _unprivileged() -> list[str]:
    """The prefix that gives up every privilege for good."""
    user = str(secrets.choice(_DYNAMIC_USERS))
    become_nobody = ["--reuid", user, "--regid", user, "--clear-groups"] * (os.geteuid() == 0)
    return ["setpriv", *become_nobody, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def _readable() -> Iterator[str]:
    """Paths that the program may read: those of the system that exist, and Python where it lives elsewhere."""
    yield from filter(os.path.lexists, _SYSTEM)
    home = os.path.realpath(sys.base_prefix)
    if not any(map(partial(_holds, home), _SYSTEM)):
        yield home


def _holds(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
