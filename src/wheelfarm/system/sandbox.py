"""Confines a program on Linux: it sees the system and named paths, and has no network.

It has namespaces of its own for users, mounts, processes, network and IPC. The system is read-only, /tmp and
/dev/shm are its own, no setuid file has an effect, and whatever it leaves running ends with it. Bubblewrap
makes them; where it is missing or fails, `unshare` and `confine.py` do the same.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ProcessError
from wheelfarm.model import Isolation
from wheelfarm.system.environment import which
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Mount = tuple[str, str, str]
    """Kind, source and path: read, write, tmpfs or link."""

_SYSTEM: Final = tuple(
    Path(f"/{name}") for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix")
)
_ETC: Final = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "nsswitch.conf"),
    *("localtime", "os-release", "debian_version", "redhat-release", "fonts", "mime.types"),
)
"""What compilers, the loader and Python read below /etc: the rest may hold keys."""
_BUBBLEWRAP: Final = (
    *("bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL", "--dev", "/dev", "--proc", "/proc"),
)
# Bubblewrap sets it, and compilers write it into debug information.
_WITHOUT_PWD: Final = ("--", "/usr/bin/env", "-u", "PWD")
_UNSHARE: Final = (
    *("unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--fork"),
    *("--kill-child", "--net", "--ipc", "--uts"),
)
_NO_CAPABILITIES: Final = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
_SETPRIV: Final = ("setpriv", "--no-new-privs", *_NO_CAPABILITIES)


_KINDS: Final = (Isolation.BUBBLEWRAP, Isolation.NAMESPACES)
"""What a machine may have, the better known first."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What a confined program sees beside the system.

    Args:
        read: files and directories that it may read.
        write: directories that it may write to; they are made.
        hidden: directories that it does not see, even where the system or `read` holds them.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()


def _system() -> Iterator[Mount]:
    for path in (*_SYSTEM, *(Path("/etc", name) for name in _ETC), Path("/sys/devices/system/cpu")):
        if path.is_symlink() and path.parent == Path("/"):
            yield "link", str(path.readlink()), str(path)
        elif path.exists():
            yield "read", str(path.resolve()), str(path)


def _mounts(view: View) -> list[Mount]:
    """The mounts in their order: a later one is on top."""
    mounts: list[Mount] = [("tmpfs", "", "/tmp"), ("tmpfs", "", "/var/tmp"), *_system()]  # noqa: S108
    seen = (*_SYSTEM, *view.read)
    covered = (path for path in view.hidden if any(path.is_relative_to(each) for each in seen))
    mounts += [("tmpfs", "", str(path)) for path in covered if path.is_dir()]
    for kind, paths in (("read", view.read), ("write", view.write)):
        mounts += [(kind, str(path), str(path)) for path in paths]
    return mounts


def _found(program: str) -> str:
    """The system's own program: PATH may be that of a build."""
    return str(which(program, {"PATH": os.defpath}) or program)


def _words(mounts: Iterable[Mount], cwd: Path, isolation: Isolation) -> tuple[str, ...]:
    """The words before a program that confine it."""
    if isolation is Isolation.NAMESPACES:
        script = Path(__file__).parent / "inside" / "confine.py"
        python = (sys.executable, "-I", "-S", str(script), json.dumps(list(mounts)), str(cwd))
        return (_found(_UNSHARE[0]), *_UNSHARE[1:], *python, _found(_SETPRIV[0]), *_SETPRIV[1:])
    options = {"read": "--ro-bind", "write": "--bind", "link": "--symlink"}
    words: list[str] = []
    for kind, source, path in mounts:
        words += ("--tmpfs", path) if kind == "tmpfs" else (options[kind], source, path)
    return (
        _found(_BUBBLEWRAP[0]),
        *_BUBBLEWRAP[1:],
        *words,
        "--remount-ro",
        "/",
        "--chdir",
        str(cwd),
        *_WITHOUT_PWD,
    )


def confine(command: Command, view: View, isolation: Isolation) -> Command:
    """Make the directories to write to, and the command that runs confined: the same without isolation."""
    for path in view.write:
        path.mkdir(exist_ok=True)
    if isolation is Isolation.NONE:
        return command
    cwd = command.cwd or Path("/")
    return replace(command, sandbox=_words(_mounts(view), cwd, isolation))


@cache
def isolation_here() -> Isolation:
    """The isolation that works on this machine."""
    if sys.platform == "linux":
        env = {"PATH": os.defpath}
        for isolation in _KINDS:
            command = Command(argv=("true",), env=env, cwd=Path("/"), time_limit=10)
            try:
                run(confine(command, View(), isolation))
            except ProcessError:
                continue
            return isolation
    return Isolation.NONE


def prefix_of(program: Path) -> tuple[Path, ...]:
    """The directory that a program is installed in, after its links; none for a program of the system."""
    resolved = program.resolve()
    if any(resolved.is_relative_to(path) for path in _SYSTEM):
        return ()
    return (resolved.parents[1],)
