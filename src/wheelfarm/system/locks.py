"""Locks between processes: a lock file that the kernel frees when its process ends."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import ensure_directory, explain_os_errors, parse_json
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logger = get_logger(__name__)

LOCK: Final = ".lock"
HOLDER: Final = ".lock.holder"

SILENT: Final = 0.5
"""Seconds of a wait without a message: the builds of one run write to their wheelhouse in turn."""
_WAIT: Final = 5.0
"""Seconds between two calls of `on_wait`."""


class LockTimeoutError(TimeoutError):
    """Another process holds the lock for longer than the timeout."""


@contextmanager
def hold_lock(
    path: Path, *, timeout: float = float("inf"), on_wait: Callable[[float], object] = lambda _waited: None
) -> Iterator[None]:
    """Hold the lock of a file for the block; threads of one process exclude each other too.

    Args:
        path: the lock file, in an existing directory.
        timeout: seconds to wait for another process; 0 does not wait.
        on_wait: called with the seconds waited while another process holds the lock: with 0 at once, then
            every five seconds. It may raise.

    Raises:
        LockTimeoutError: when the lock is still taken after the timeout.
        OSError: when the file cannot be written.
    """
    # A new object each time: filelock's objects are reentrant.
    lock = FileLock(path)
    began = time.monotonic()
    waited = wait = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            if time.monotonic() - began >= timeout:
                raise LockTimeoutError(str(path)) from None
            on_wait(waited)
            waited = time.monotonic() - began
            wait = min(_WAIT, timeout - waited)
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The wheelhouse's lock, with a note of the process that holds it.

    Args:
        root: the wheelhouse.
        timeout: seconds to wait for another process.
        command: the name of this process in the messages of others that wait.
    """

    root: Path
    timeout: float
    command: str

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock for the block.

        Raises:
            WheelhouseError: when another process holds it for too long, or the directory is not writable.
        """
        note = self.root / HOLDER
        with ExitStack() as stack:
            with explain_os_errors(self.root):
                ensure_directory(self.root)
                self._acquire(stack)
            # The note is optional: garbage collection must work on a full disk.
            with suppress(OSError):
                note.write_text(json.dumps({"pid": os.getpid(), "command": self.command}))
            try:
                yield
            finally:
                with suppress(OSError):
                    note.unlink()

    def _acquire(self, stack: ExitStack) -> None:
        path, silent = self.root / LOCK, min(self.timeout, SILENT)
        try:
            try:
                stack.enter_context(hold_lock(path, timeout=silent))
            except LockTimeoutError:
                logger.info("waiting for %s, which is writing to %s", self._holder(), self.root)
                stack.enter_context(hold_lock(path, timeout=self.timeout - silent))
        except LockTimeoutError:
            raise WheelhouseError(
                "another process keeps the wheelhouse locked",
                where=str(self.root),
                why=f"{self._holder()} did not end within {self.timeout:g} seconds",
                hint="wait until it ends, or stop it: a killed process leaves nothing half-written",
            ) from None

    def _holder(self) -> str:
        """The process that holds the lock, as its note says."""
        try:
            note = parse_json((self.root / HOLDER).read_bytes())
            return f"process {note['pid']} ({note['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"  # it has just begun, just ended, or died while it wrote the note
