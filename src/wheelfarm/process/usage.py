"""What a process and all that it started use, read from /proc (proc(5)); Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_PARENT, _SESSION, _TIMES, _RESIDENT = 1, 3, slice(11, 15), 21
"""Fields of /proc/<pid>/stat after the name, which may itself hold spaces and brackets."""


class Usage(NamedTuple):
    """What a process tree uses.

    Args:
        cpu_seconds: CPU time so far, of children that have ended too.
        memory: bytes resident; what processes share is counted for each of them.
    """

    cpu_seconds: float
    memory: int


def usage(pid: int, proc: Path = _PROC) -> Usage | None:
    """What a process, its descendants and the rest of its session use.

    The farm starts each child at the head of a session of its own, so that a process whose parent has ended
    is found all the same.

    Args:
        pid: the process.
        proc: where the kernel tells of processes.

    Returns:
        None when there is no such process, or no /proc.
    """
    processes = _processes(proc)
    if pid not in processes:
        return None
    tree = {pid} | {each for each, fields in processes.items() if int(fields[_SESSION]) == pid}
    new = tree
    while new:
        new = {each for each, fields in processes.items() if int(fields[_PARENT]) in new} - tree
        tree = tree | new
    ticks = sum(int(ticks) for each in tree for ticks in processes[each][_TIMES])
    pages = sum(int(processes[each][_RESIDENT]) for each in tree)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def _processes(proc: Path) -> dict[int, list[str]]:
    """The fields of each process; one may end while we look."""
    found = {}
    for directory in proc.iterdir() if proc.is_dir() else ():
        if directory.name.isdecimal():
            with suppress(OSError):
                stat = (directory / "stat").read_text(encoding="utf-8", errors="replace")
                found[int(directory.name)] = stat.rpartition(")")[2].split()
    return found
