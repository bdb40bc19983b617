"""The process group of a child: how one is started and how it ends as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wheelfarm.process.command import Command

GRACE: Final = 5.0
"""Seconds between the request to end and the kill."""

_POLL: Final = 0.05

Child = subprocess.Popen[bytes]


def start(argv: tuple[str, ...], command: Command, stdin: IO[bytes] | None) -> Child:
    """Start a child at the head of its own group.

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


if sys.platform == "win32":  # pragma: no cover

    def end(child: Child, grace: float | None = None) -> None:
        """Kill the child and its descendants; Windows knows no polite way."""
        del grace
        taskkill = ["taskkill", "/F", "/T", "/PID", str(child.pid)]  # a part of Windows
        subprocess.run(taskkill, capture_output=True, check=False)
        child.kill()
        child.wait()

else:

    def end(child: Child, grace: float | None = None) -> None:
        """Ask the group to end, kill what is left of it after the grace (seconds), and wait for the child.

        A second interrupt while it waits kills at once.
        """
        try:
            _signal(child, signal.SIGTERM)
            _wait_until_empty(child, time.monotonic() + (GRACE if grace is None else grace))
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
