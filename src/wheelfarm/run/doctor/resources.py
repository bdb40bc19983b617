"""Checks of disk space and memory against what the builds of the recipes need."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.model import GitCommit
from wheelfarm.recipes.strict import size_of
from wheelfarm.run.doctor.check import Check, Status
from wheelfarm.sources.cache import Cache
from wheelfarm.system.machine import memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.doctor.check import Setup

_ENVIRONMENT: Final = 300_000_000
"""Bytes of a build's environment and of the one that tests its wheel."""
_PER_SOURCE_BYTE: Final = 25
"""Bytes that a build writes for a byte of its compressed source: numpy's 21 MB become 0.5 GB."""
_STORED: Final = 200_000_000
"""Bytes that the cache and the wheelhouse should have free: a provider of BLAS is 40 MB."""
_PER_COMPILER: Final = 500_000_000
_PER_CPP_COMPILER: Final = 1_000_000_000
"""Bytes of a compiler of C, and of one of C++, where a recipe does not say what its build needs."""


@dataclass
class _Disk:
    """A file system, what is there of the farm, and what builds write to it."""

    free: int
    names: int | None
    """Files that can still be made; None where the file system has no such limit."""
    needed: int = 0
    uses: list[str] = field(default_factory=list)


def _existing(path: Path) -> Path:
    """The nearest directory that exists."""
    return path if path.is_dir() else _existing(path.parent)


def build_size(recipe: LoadedRecipe, cache: Cache) -> int:
    """About how many bytes a build of a recipe writes, by the size of its source where that is here."""
    source = recipe.source
    path = None if isinstance(source, GitCommit) else cache.find(source.sha256)
    return _ENVIRONMENT + (_PER_SOURCE_BYTE * path.stat().st_size if path else 0)


def check_disks(setup: Setup) -> Iterator[Check]:
    """The file systems of build directories, cache and wheelhouse."""
    settings = setup.farm.settings
    cache = Cache(settings.cache)
    largest = max((build_size(recipe, cache) for recipe in setup.recipes), default=_ENVIRONMENT)
    stages = setup.engine.stages if setup.engine else settings.stages
    uses = [
        ("build directories", stages, largest),
        ("cache", settings.cache, _STORED),
        ("wheelhouse", settings.wheelhouse, _STORED),
    ]
    container = setup.engine.container if isinstance(setup.engine, Cibuildwheel) else None
    if container is not None and (storage := container.storage_root):
        uses.append(("containers", storage, largest))
    disks: dict[int, _Disk] = {}
    for name, path, needed in uses:
        place = _existing(path.absolute())
        disk = disks.setdefault(place.stat().st_dev, _disk_of(place))
        disk.needed += needed
        disk.uses.append(f"{name}: {path}")
    for disk in disks.values():
        yield _check_disk(disk)


def _disk_of(place: Path) -> _Disk:
    names = None
    if hasattr(os, "statvfs"):
        found = os.statvfs(place)
        names = found.f_favail if found.f_files else None
    return _Disk(shutil.disk_usage(place).free, names)


_MOST_FILES: Final = 50_000
"""Files of the largest builds with their environments: scipy's has 20,000."""


def _check_disk(disk: _Disk) -> Check:
    kinds = ", ".join(use.partition(":")[0] for use in disk.uses)
    finding = f"{disk.free / 1e9:.1f} GB free for {kinds}; about {disk.needed / 1e9:.1f} GB are needed"
    status = Status.OK
    if disk.names is not None and disk.names < _MOST_FILES:
        status = Status.WARNING
        finding = f"the file system for {kinds} takes only {disk.names:,} more files"
    if disk.free < 2 * disk.needed:
        status = Status.WARNING
    if disk.free < disk.needed:
        status = Status.FAULT
    command = (
        None if status is Status.OK else "inv clean --wheels, or set stages, cache or wheelhouse elsewhere"
    )
    return Check(name="disk", status=status, finding=finding, command=command, details=tuple(disk.uses))


def memory_needed(recipe: LoadedRecipe, jobs: int) -> int:
    """The bytes that a build of a recipe needs: as it says, or what its compilers take together."""
    if recipe.table.memory:
        return size_of(recipe.table.memory)
    languages = recipe.table.languages
    return jobs * (_PER_CPP_COMPILER if "c++" in languages else _PER_COMPILER if languages else 0)


def check_memory(setup: Setup) -> Iterator[Check]:
    """The memory that builds may use."""
    settings = setup.farm.settings
    present = settings.memory or memory()
    if present is None:
        return
    needs = {recipe.name: memory_needed(recipe, settings.jobs) for recipe in setup.recipes}
    name = max(needs, key=lambda each: needs[each], default=None)
    needed = needs[name] if name else 0
    finding = f"{present / 1e9:.1f} GB of memory"
    if name is None or needed <= present:
        details = (f"{name} needs about {needed / 1e9:.1f} GB",) if name else ()
        yield Check(name="memory", status=Status.OK, finding=finding, details=details)
        return
    compilers = _PER_CPP_COMPILER if not setup.farm.recipes.find(name).table.memory else needed
    jobs = max(1, min(settings.jobs - 1, present // compilers))
    yield Check(
        name="memory",
        status=Status.WARNING,
        finding=f"{finding}, and {name} needs about {needed / 1e9:.1f} GB with {settings.jobs} at once",
        command=f"inv chain {name} -j {jobs}",
    )
