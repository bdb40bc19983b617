"""Runs in new namespaces, which `unshare` has made: mounts what a program may see, and runs it there.

As bubblewrap does it: a tmpfs becomes the root, with binds of the old root's paths, and the old root goes.
Uses the standard library only.

Usage: confine.py MOUNTS DIRECTORY PROGRAM ARGUMENT…, with MOUNTS as JSON: a list of [kind, source, path]
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC = 0x1, 0x2, 0x4, 0x20, 0x1000, 0x4000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 0x1, 0x2, 0x4
MNT_DETACH, AT_RECURSIVE, AT_FDCWD = 2, 0x8000, -100
MOUNT_SETATTR = 442  # the same number on every architecture; Linux 5.12
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
BASE, OLD, NEW = Path("/tmp"), Path("/old"), Path("/new")  # noqa: S108 - its mount is this program's own
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result:
        sys.exit(f"confine: {what}: {os.strerror(ctypes.get_errno())}")


def mount(source: Path | str, path: Path, kind: str | None, flags: int, data: str = "") -> None:
    words = (os.fsencode(source), os.fsencode(path), kind and kind.encode())
    check(libc.mount(*words, ctypes.c_ulong(flags), data.encode()), f"mount {path}")


def bind(source: Path, path: Path, attributes: int) -> None:
    if source.is_dir():
        path.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    mount(source, path, None, MS_BIND | MS_REC)
    # Unlike a remount it reaches the mounts below, and leaves attributes that are set already.
    value = struct.pack("QQQQ", attributes, 0, 0, 0)
    words = (
        ctypes.c_int(AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(AT_RECURSIVE),
        value,
        ctypes.c_size_t(32),
    )
    check(libc.syscall(ctypes.c_long(MOUNT_SETATTR), *words), f"set the attributes of {path}")


def make_devices(dev: Path) -> None:
    dev.mkdir()
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=0755")
    for name in DEVICES:
        bind(OLD / "dev" / name, dev / name, ATTR_NOSUID)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (dev / name).symlink_to(f"/proc/self/fd{target}")
    (dev / "shm").mkdir()
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")


def make_root(mounts: list[tuple[str, str, str]]) -> None:
    """Replace the root by a tmpfs that holds the mounts, in their order, and nothing else."""
    mount("tmpfs", BASE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for path in (OLD, NEW):
        (BASE / path.name).mkdir()
    check(libc.pivot_root(os.fsencode(BASE), os.fsencode(BASE / OLD.name)), "pivot_root")
    os.chdir("/")
    mount("tmpfs", NEW, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    make_devices(NEW / "dev")
    (NEW / "proc").mkdir()
    mount("proc", NEW / "proc", "proc", MS_NOSUID | MS_NODEV)
    for kind, source, target in mounts:
        where = NEW / target.lstrip("/")
        if kind == "link":
            where.symlink_to(source)
        elif kind == "tmpfs":
            where.mkdir(parents=True, exist_ok=True)
            mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
        else:
            bind(
                OLD / source.lstrip("/"),
                where,
                ATTR_NOSUID | ATTR_NODEV | (ATTR_RDONLY if kind == "read" else 0),
            )
    mount("", NEW, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chdir(NEW)
    check(libc.pivot_root(b".", b"."), "pivot_root")
    check(libc.umount2(b".", MNT_DETACH), "umount the old root")


def main(mounts: list[tuple[str, str, str]], cwd: str, words: list[str]) -> int:
    """Run the program as a child of this process, the first of its PID namespace; returns its exit code."""
    # Not os.environ: in the C locale Python adds LC_CTYPE to that (PEP 538).
    pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    env = dict(pair.split(b"=", 1) for pair in pairs if pair)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        fcntl.ioctl(loopback, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    make_root(mounts)
    os.chdir(cwd)
    child = os.fork()
    if child == 0:
        os.execve(words[0], words, env)  # noqa: S606 - that is the point
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]))
