"""What was built and is not stored yet: a corrected test must not cost another build."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.build.steps import mark_of
from wheelfarm.errors import BuildDirectoryError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.system.locks import LockTimeoutError, hold_lock
from wheelfarm.system.process_group import end_left_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where one build is staged; `stages` is shared by all farms whose builds run there."""

    stages: Path
    slug: str

    @property
    def root(self) -> Path:
        """The stage's directory."""
        return self.stages / self.slug

    @property
    def _lock(self) -> Path:
        return self.stages / f"{self.slug}.lock"

    @contextmanager
    def hold(self, say: Callable[[str], None], sweep: Callable[[Path], None]) -> Iterator[Path]:
        """Hold the place: wait for another run that does, and end what a killed one has left running here.

        Args:
            say: hears that somebody else holds it.
            sweep: removes the containers of a stage.

        Raises:
            BuildDirectoryError: when the directory belongs to somebody else.
            OSError: when it cannot be made.
        """
        make_private(self.stages)
        message = f"waiting for another run that builds in {self.root}"
        with hold_lock(self._lock, on_wait=lambda _waited: say(message)):
            for each in (self.root, *self._rooms()):
                if end_left_behind(mark_of(each)):
                    sweep(each)
            yield self.root

    def _rooms(self) -> list[Path]:
        """The clean rooms of the stage that a killed run was in: each has its own mark and containers."""
        return [mark.with_name(mark.stem) for mark in self.root.glob(f"{GATE}/*.running")]

    @contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Hold the place if nobody else does; whether it is held now.

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
    """Make a directory that nobody else can have prepared or can write to.

    Raises:
        BuildDirectoryError: when it stands in a place where all may write, and is not ours.
        OSError: when it cannot be made.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    everybody = directory.parent.stat().st_mode & stat.S_IWOTH
    if everybody and hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode)):
        raise BuildDirectoryError(
            "the directory for stages belongs to somebody else",
            where=str(directory),
            why="what is built there could be changed by its owner",
            hint="remove it, or say WHEELFARM_STAGES=<directory>; the path is part of the rebuild key",
        )


def keep(dist: Path, waiting: Path) -> None:
    """Keep what the engine made until the gate lets it pass; it is there whole or not at all."""
    draft = waiting.with_name(f".{waiting.name}")
    for old in (draft, waiting):
        shutil.rmtree(old, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(dist, draft)
    draft.rename(waiting)
