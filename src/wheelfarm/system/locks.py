"""One lock for the whole wheelhouse, and a note that tells others who holds it."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import ensure_directory, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK: Final = ".lock"
HOLDER: Final = ".lock.holder"


def _holder(root: Path) -> str:
    """Who holds the lock, as far as the note tells."""
    try:
        note = json.loads((root / HOLDER).read_bytes())
        return f"process {note['pid']} ({note['command']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it has just begun, just ended, or died while it wrote the note


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The wheelhouse's lock; the kernel frees it when its holder dies.

    Args:
        root: the wheelhouse.
        timeout: seconds to wait for another process.
        command: what this process is called when others wait for it.
        tell: is told, once, who is being waited for.
    """

    root: Path
    timeout: float
    command: str
    tell: Callable[[str], None]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for the block.

        Raises:
            WheelhouseError: when another process keeps it for too long, or the place cannot be written.
        """
        with explained(self.root):
            ensure_directory(self.root)
            lock = self._acquired()
        try:
            # The note is a courtesy: on a full disk, `collect` must be able to work without it.
            with suppress(OSError):
                (self.root / HOLDER).write_text(json.dumps({"pid": os.getpid(), "command": self.command}))
            yield
        finally:
            with suppress(OSError):
                (self.root / HOLDER).unlink()
            lock.release()

    def _acquired(self) -> FileLock:
        # A new object each time: threads of one process then exclude each other too.
        lock = FileLock(self.root / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            self.tell(f"waiting for {_holder(self.root)}, which is writing to {self.root}")
            try:
                lock.acquire(timeout=self.timeout)
            except Timeout:
                raise WheelhouseError(
                    "another process keeps the wheelhouse locked",
                    where=str(self.root),
                    why=f"{_holder(self.root)} did not end within {self.timeout:g} seconds",
                    hint="let it end, or stop it: a killed process leaves nothing half-written",
                ) from None
        return lock
