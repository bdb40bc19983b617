"""The lock of a build directory."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.build.steps import mark_of
from wheelfarm.errors import BuildDirectoryError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.system.files import os_problem
from wheelfarm.system.locks import LockTimeoutError, hold_lock
from wheelfarm.system.process_group import end_left_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wheelfarm.build.engine import ProgressListener


@dataclass(frozen=True)
class BuildLock:
    """The lock of one build's directory; all farms of a machine share `stages`."""

    stages: Path
    slug: str

    @property
    def root(self) -> Path:
        """The build directory."""
        return self.stages / self.slug

    @property
    def _lock(self) -> Path:
        return self.stages / f"{self.slug}.lock"

    @contextmanager
    def hold(self, listener: ProgressListener, sweep: Callable[[Path], object]) -> Iterator[None]:
        """Hold the lock, after waiting for another run; and end what a killed run left running here.

        Args:
            listener: receives a line while another run holds the lock; may raise to end the wait.
            sweep: removes the containers of a build directory.

        Raises:
            BuildDirectoryError: when the directory belongs to somebody else, and for an OSError of the block.
        """
        message = f"waiting for another run that builds in {self.root}"
        try:
            make_private(self.stages)
            with hold_lock(self._lock, on_wait=lambda _waited: listener.on_line(message)):
                self.end_left_behind(sweep)
                yield
        except OSError as problem:
            what = f"{self.slug}: a file or directory cannot be used"
            raise os_problem(BuildDirectoryError, what, problem, self.root) from problem

    def end_left_behind(self, sweep: Callable[[Path], object]) -> None:
        """End what a killed run left running here; only under the lock."""
        for each in (self.root, *self._environments()):
            if end_left_behind(mark_of(each)):
                sweep(each)

    def _environments(self) -> list[Path]:
        """The test environments that a killed run was in: each has its own mark and containers."""
        return [mark.with_name(mark.stem) for mark in self.root.glob(f"{GATE}/*.running")]

    @contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Hold the lock if no other run does; yields whether it does.

        Raises:
            OSError: when the lock cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(hold_lock(self._lock, timeout=0))
            except LockTimeoutError:
                yield False
                return
            yield True


def make_private(directory: Path) -> None:
    """Make a directory that no other user can have prepared or can write to.

    Raises:
        BuildDirectoryError: when everybody may write to its parent, and another user owns it.
        OSError: when it cannot be made.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    everybody = directory.parent.stat().st_mode & stat.S_IWOTH
    if everybody and hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode)):
        raise BuildDirectoryError(
            "the directory of builds belongs to another user",
            where=str(directory),
            why="that user could change what is built there",
            hint="remove it, or set WHEELFARM_STAGES=<directory>; the path is part of the build key",
        )
