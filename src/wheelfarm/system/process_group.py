"""A child with its descendants: start, end, and what a killed run left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from wheelfarm.system.files import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wheelfarm.system.process import Command


GRACE: Final = 5.0
"""Seconds between the request to end and the kill."""

_POLL: Final = 0.05

Child = subprocess.Popen[bytes]


def start(argv: tuple[str, ...], command: Command, stdin: IO[bytes] | None) -> Child:
    """Start a child as the leader of its own session and group.

    Raises:
        OSError: when the program cannot be executed.
        ValueError: when an argument or a variable holds a null byte.
    """
    return subprocess.Popen(
        argv,
        env=dict(command.env),
        cwd=command.cwd,
        stdin=stdin if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def attach(argv: tuple[str, ...], command: Command) -> int:
    """Run a program on the terminal of this process until it ends; give its exit code.

    Raises:
        OSError: when the program cannot be executed.
        KeyboardInterrupt: at an interrupt of this process; the program has ended then.
    """
    # In the group of this process, so that a shell can take the terminal.
    child = subprocess.Popen(argv, env=dict(command.env), cwd=command.cwd)
    try:
        return child.wait()
    except BaseException:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        child.kill()
        child.wait()
        raise


if sys.platform == "win32":  # pragma: no cover

    def end(child: Child) -> None:
        """Kill the child and its descendants; Windows has no request to end."""
        taskkill = ["taskkill", "/F", "/T", "/PID", str(child.pid)]  # a part of Windows
        subprocess.run(taskkill, capture_output=True, check=False)
        child.kill()
        child.wait()

else:

    def end(child: Child) -> None:
        """Ask the group to end, kill what is left of it after the grace, and wait for the child.

        A second interrupt while it waits kills at once.
        """
        try:
            _signal(child, signal.SIGTERM)
            _wait_until_empty(child, time.monotonic() + GRACE)
        finally:
            _signal(child, signal.SIGKILL)
            child.wait()

    def _wait_until_empty(child: Child, deadline: float) -> None:
        while time.monotonic() < deadline:
            child.poll()  # a child that nobody waits for stays in its group
            if not _signal(child, 0):
                return
            time.sleep(_POLL)

    def _signal(child: Child, number: int) -> bool:
        """Send a signal to the group; whether the group still has a member."""
        # macOS refuses a group of which only zombies are left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
            return True
        return False


_KILL_WAIT: Final = 5.0
"""Seconds to wait until a killed group is gone."""
_START_TIME: Final = 19
"""The index of the start time in /proc/<pid>/stat after the name (proc(5), field 22)."""


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is none of that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[_START_TIME]
    except OSError:
        return None


@contextmanager
def marked(mark: Path | None) -> Iterator[Callable[[int], object]]:
    """Leave a note from before a child starts until it ends by itself.

    A kill of the farm leaves the note, and so does an exception: whoever cleans up after the child removes
    it last, since the clean-up can be killed too.

    Yields:
        Writes the child's number into the note.
    """
    if mark is None:
        yield lambda _pid: None
        return
    mark.touch()
    yield lambda pid: mark.write_text(json.dumps({"pid": pid, "started": _started(pid)}), encoding="utf-8")
    mark.unlink(missing_ok=True)


def end_left_behind(mark: Path) -> bool:
    """Kill the process group of the child in a note, and wait until it is gone; whether there was a note.

    The number of a group is not given to another process while the group has a member, and the start time
    identifies its leader. Does nothing on a system without /proc.
    """
    try:
        note = parse_json(mark.read_bytes())
        pid, started = int(note["pid"]), note["started"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        mark.unlink(missing_ok=True)
        return True
    if started is not None and _started(pid) in {None, started}:
        deadline = time.monotonic() + _KILL_WAIT
        with suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:
                os.killpg(pid, signal.SIGKILL)
                time.sleep(_POLL)
    mark.unlink(missing_ok=True)
    return True
