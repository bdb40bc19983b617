"""What the farm leaves on a disk to be quicker, or to be looked at; all of it can go, and costs time only."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wheelfarm.build.cibuildwheel_engine import volumes_of
from wheelfarm.build.containers import container_engine
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.reproduce import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm


class Leftover(StrEnum):
    """Kinds of what is left."""

    CACHE = "build cache"
    """A build directory or an unpacked source, from which the next build goes on."""
    FAILED = "failed build"
    """The build directory of a build that failed, for whoever looks why."""
    UNGATED = "ungated wheel"
    """A built wheel that its gate refused."""
    WHEEL = "old wheel"
    """A wheel or record in the wheelhouse that its index no longer lists."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Something that can go."""

    kind: Leftover
    place: str
    """Its path, or the name of a volume."""
    size: int
    """Bytes; those of a volume count when they can be read."""


def clean(farm: Farm, *, wheels: bool, dry_run: bool) -> Iterator[Space]:
    """Remove what is left of builds that are over; what another run uses stays.

    The stages of the host engine are shared by all farms of a machine, so those of other farms go too.

    Args:
        farm: whose leftovers.
        wheels: also those of the wheelhouse that its index no longer lists.
        dry_run: only tell.

    Raises:
        OSError: when something cannot be removed.
        WheelhouseError: when a page of the index is damaged.
    """
    settings = farm.settings
    idle = True
    for stages in (settings.stages, settings.work / "stages", settings.work / WORK / "stages"):
        for slug in _slugs(stages):
            with BuildLock(stages, slug).try_hold() as locked:
                idle = idle and locked
                if locked:
                    yield from _clean_place(stages, slug, dry_run=dry_run)
    yield from _clean_volumes(settings, dry_run=dry_run)
    # A run that goes on may be about to take one.
    for path in sorted((settings.work / "ungated").glob("*")) if idle else ():
        yield _removed(Leftover.UNGATED, path, dry_run=dry_run)
    for variant in farm.wheelhouse.variants() if wheels else ():
        for removed in farm.wheelhouse.collect_garbage(variant, (), dry_run=dry_run):
            yield Space(kind=Leftover.WHEEL, place=str(removed.path), size=removed.size)


def _slugs(stages: Path) -> list[str]:
    """The builds that have left something."""
    return sorted({path.name.removesuffix(".cache") for path in stages.glob("*") if path.is_dir()})


def _clean_place(stages: Path, slug: str, *, dry_run: bool) -> Iterator[Space]:
    for kind, name in ((Leftover.CACHE, f"{slug}.cache"), (Leftover.FAILED, slug)):
        if (stages / name).is_dir():
            yield _removed(kind, stages / name, dry_run=dry_run)


def _clean_volumes(settings: Settings, *, dry_run: bool) -> Iterator[Space]:
    container = container_engine(settings)
    if container is None:
        return
    for name, path in container.volumes(volumes_of(settings)).items():
        size = _size(path)
        if dry_run or container.remove_volume(name):
            yield Space(kind=Leftover.CACHE, place=f"volume {name}", size=size)


def _removed(kind: Leftover, path: Path, *, dry_run: bool) -> Space:
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
