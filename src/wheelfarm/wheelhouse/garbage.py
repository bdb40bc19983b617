"""Garbage collection, and what is done after a kill: both find out what nothing refers to."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError
from wheelfarm.model import Digest
from wheelfarm.system.files import TEMPORARY_PREFIX, ensure_directory, flush_directory
from wheelfarm.wheelhouse.layout import metadata_of
from wheelfarm.wheelhouse.metadata import Described
from wheelfarm.wheelhouse.simple_index import project_indexes, write_project, write_root

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wheelfarm.wheelhouse.layout import Layout

# What the farm writes and may therefore remove; whatever else somebody has put there stays.
_OURS: Final = ("records/*.json", "wheels/*/*.whl", "wheels/*/*.whl.metadata", f"**/{TEMPORARY_PREFIX}*")


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A file that garbage collection removed, or would remove."""

    path: Path
    size: int
    """Bytes."""


@contextmanager
def marked(layout: Layout) -> Iterator[None]:
    """Leave a mark until the block has ended well; a mark that is found tells of a run that did not.

    It keeps the cost of a store independent of the wheelhouse's size: what an interrupted run has left is
    looked for only when there was one.
    """
    ensure_directory(layout.directory)
    layout.unfinished.touch()
    flush_directory(layout.directory)
    yield
    layout.unfinished.unlink()


def recorded_keys(layout: Layout) -> set[Digest]:
    """The rebuild keys that have a record."""
    return {Digest(path.stem) for path in layout.records.glob("*.json")}


def garbage(layout: Layout, keep: Collection[Digest]) -> list[Removed]:
    """What neither the index nor the records of `keep` refer to, ordered by path: records before wheels.

    Raises:
        WheelhouseError: when a page of the index is damaged, so that nobody knows what is current.
    """
    listed = [file for project_index in project_indexes(layout) for file in project_index.files]
    keys = {*keep, *(file.key for file in listed)}
    wheels = {layout.directory / file.path for file in listed}
    wheels |= set(_described(layout, keys))
    wanted = {layout.record(key) for key in keys} | wheels | {metadata_of(wheel) for wheel in wheels}
    found = {path for pattern in _OURS for path in layout.directory.glob(pattern)}
    return [Removed(path=path, size=path.stat().st_size) for path in sorted(found - wanted)]


def _described(layout: Layout, keys: Collection[Digest]) -> Iterator[Path]:
    """The wheels that the records of some keys describe, where these can be read."""
    for path in filter(Path.is_file, map(layout.record, keys)):
        with suppress(WheelhouseError):
            wheel = Described.read(path.read_bytes(), str(path))
            yield layout.wheel(wheel.sha256, wheel.filename)


def repair_index(layout: Layout, keep: Collection[Digest]) -> list[Removed]:
    """Remove the garbage and bring all pages up to what the project_indexes say.

    A record goes before its wheel: a kill in between leaves a wheel that nothing refers to, which the next
    run removes, and never a record without its wheel.

    Raises:
        WheelhouseError: when a page of the index is damaged.
    """
    removed = garbage(layout, keep)
    for file in removed:
        file.path.unlink(missing_ok=True)
    for directory in layout.wheels.glob("*"):
        with suppress(OSError):  # it holds a wheel
            directory.rmdir()
    for project_index in project_indexes(layout):
        write_project(layout, project_index)
    if layout.simple.is_dir():
        write_root(layout)
    return removed
