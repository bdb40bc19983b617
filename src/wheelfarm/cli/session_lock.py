"""A lock between runs of nox, with the standard library alone; it ends with its process."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _acquire(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _acquire(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL: Final = 0.2
"""Seconds between two tries."""


@contextmanager
def lock(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Lock a file during the block; the file stays.

    Args:
        path: the file; it and the directories above it are made.
        waiting: called once when another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if not _acquire(file):
            waiting()
            while not _acquire(file):
                time.sleep(_POLL)
        # Closing the file releases the lock.
        yield
