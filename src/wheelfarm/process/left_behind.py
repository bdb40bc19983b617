"""What a killed run has left behind: its child goes on, and would write where the next run works."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE: Final = 5.0
"""Seconds for a killed group to be gone."""
_POLL: Final = 0.05
_START_TIME: Final = 19
"""Where the start time stands in /proc/<pid>/stat after the name (proc(5), field 22)."""


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is none of that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[_START_TIME]
    except OSError:
        return None


@contextmanager
def marked(mark: Path | None, pid: int) -> Iterator[None]:
    """Keep a note of a running child for the block; a kill leaves the note where it is."""
    if mark is None:
        yield
        return
    mark.write_text(json.dumps({"pid": pid, "started": _started(pid)}), encoding="utf-8")
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


def end_left_behind(mark: Path) -> bool:
    """Kill the process group of the child that a note tells of, and wait until it is gone.

    Whether there was a note: then a run was killed, and may have left more than processes.

    The number of a group is not given to another process while the group has a member, and the start time
    tells whether its leader is still the same. Does nothing on a system without /proc.
    """
    try:
        note = json.loads(mark.read_bytes())
        pid, started = int(note["pid"]), note["started"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        mark.unlink(missing_ok=True)
        return True
    if started is not None and _started(pid) in {None, started}:
        deadline = time.monotonic() + _PATIENCE
        with suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:
                os.killpg(pid, signal.SIGKILL)
                time.sleep(_POLL)
    mark.unlink(missing_ok=True)
    return True
