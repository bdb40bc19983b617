"""The leftovers of builds on the disk: caches, failed builds, refused and old wheels; all of it can go."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.build.cibuildwheel_engine import volumes_of
from wheelfarm.build.containers import container_engine
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.edited_source import edited_files
from wheelfarm.run.reproduce import WORK
from wheelfarm.run.ungated import UNGATED
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.run.farm import Farm


logger = get_logger(__name__)


class Leftover(StrEnum):
    """Kinds of leftovers."""

    CACHE = "build cache"
    """A build directory or an unpacked source, from which the next build goes on."""
    FAILED = "failed build"
    """The build directory of a failed build."""
    UNGATED = "ungated wheel"
    """A built wheel that its gate refused."""
    WHEEL = "old wheel"
    """A wheel or record in the wheelhouse that its index no longer lists."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A leftover."""

    kind: Leftover
    place: str
    """Its path, or the name of a volume."""
    size: int
    """Bytes; those of a volume count when they can be read."""


def clean(farm: Farm, *, wheels: bool, dry_run: bool) -> Iterator[Space]:
    """Remove the leftovers of builds that have ended, and end what killed runs left; what runs now stays.

    The build directories of the host engine are shared by all farms of a machine: those of others go too.

    Args:
        farm: whose leftovers.
        wheels: also those of the wheelhouse that its index no longer lists.
        dry_run: remove nothing.

    Raises:
        OSError: when something cannot be removed.
        WheelhouseError: when a page of the index is damaged.
    """
    settings, idle = farm.settings, True
    container = container_engine(settings)
    places = (settings.stages, settings.work / "stages", settings.work / WORK / "stages")
    for lock in (BuildLock(stages, slug) for stages in places for slug in _slugs(stages)):
        with lock.try_hold() as locked:
            idle = idle and locked
            if locked and not dry_run:
                lock.end_left_behind(container.sweep if container else lambda _root: None)
            # Only under the lock: until then, the run that it belongs to may remove it.
            for kind, path in _leftovers(lock.root, settings.environ) if locked else ():
                if path.is_dir():
                    yield _remove(kind, path, dry_run=dry_run)
    volumes = container.volumes(volumes_of(settings)) if container else {}
    for volume, path in volumes.items():
        size = _size(path)
        if dry_run or (container and container.remove_volume(volume)):
            yield Space(kind=Leftover.CACHE, place=f"volume {volume}", size=size)
    # A run that goes on may be about to use one.
    for path in sorted((settings.work / UNGATED).glob("*")) if idle else ():
        yield _remove(Leftover.UNGATED, path, dry_run=dry_run)
    for variant in farm.wheelhouse.variants() if wheels else ():
        for removed in farm.wheelhouse.collect_garbage(variant, (), dry_run=dry_run):
            yield Space(kind=Leftover.WHEEL, place=str(removed.path), size=removed.size)


def _leftovers(root: Path, environ: Mapping[str, str]) -> Iterator[tuple[Leftover, Path]]:
    """What a build may have left; not its directory where somebody has edited the source."""
    yield Leftover.CACHE, Path(f"{root}.cache")
    if edited_files(root, environ):
        logger.warning("%s has edits that no patch has: it stays", root)
    else:
        yield Leftover.FAILED, root


def _slugs(stages: Path) -> list[str]:
    """The builds that have left a directory, a cache, or the note of a process that runs."""
    found = (path for path in stages.glob("*") if path.is_dir() or path.suffix == ".running")
    return sorted({path.name.removesuffix(".cache").removesuffix(".running") for path in found})


def _remove(kind: Leftover, path: Path, *, dry_run: bool) -> Space:
    size = _size(path)
    if not dry_run:
        shutil.rmtree(path)
    return Space(kind=kind, place=str(path), size=size)


def _size(directory: Path) -> int:
    """The bytes of all files below a directory; a file of several names counts once."""
    counted: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            known = os.lstat(os.path.join(parent, name))  # noqa: PTH118 - ten thousand: Path takes twice the time
            if stat.S_ISREG(known.st_mode):
                counted[known.st_dev, known.st_ino] = known.st_size
    return sum(counted.values())
