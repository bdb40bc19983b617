"""Garbage collection, and the repair after a kill: both find the files that nothing refers to."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import TEMPORARY_PREFIX, ensure_directory, flush_directory
from wheelfarm.wheelhouse.layout import METADATA, DescribedWheel, metadata_of
from wheelfarm.wheelhouse.simple_index import project_indexes, write_project, write_root

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wheelfarm.model import Digest
    from wheelfarm.wheelhouse.layout import Layout

# What the farm writes and may therefore remove; other files stay.
_OURS: Final = ("records/*.json", "wheels/*/*.whl", f"wheels/*/*.whl{METADATA}", f"**/{TEMPORARY_PREFIX}*")


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A file that garbage collection removed, or would remove."""

    path: Path
    size: int
    """Bytes."""


@contextmanager
def marked(layout: Layout) -> Iterator[None]:
    """Leave a mark until the block ends without an error; a mark that is found means an interrupted run.

    So the cost of a store does not depend on the wheelhouse's size: only after an interrupted run is
    everything searched for what it left.
    """
    ensure_directory(layout.directory)
    layout.unfinished.touch()
    flush_directory(layout.directory)
    yield
    layout.unfinished.unlink()


def garbage(layout: Layout, keep: Collection[Digest]) -> list[Removed]:
    """What neither the index nor the records of `keep` refer to, ordered by path: records before wheels.

    Raises:
        WheelhouseError: when a page of the index is damaged, so that nobody knows what is current.
    """
    listed = [file for index in project_indexes(layout) for file in index.files]
    keys = {*keep, *(file.key for file in listed)}
    wheels = {layout.directory / file.path for file in listed}
    for path in filter(Path.is_file, map(layout.record, keys)):
        with suppress(WheelhouseError):  # a damaged record describes no wheel
            wheel = DescribedWheel.read(path.read_bytes(), str(path))
            wheels.add(layout.wheel(wheel.sha256, wheel.filename))
    wanted = {layout.record(key) for key in keys} | wheels | {metadata_of(wheel) for wheel in wheels}
    found = {path for pattern in _OURS for path in layout.directory.glob(pattern)}
    return [Removed(path=path, size=path.stat().st_size) for path in sorted(found - wanted)]


def repair_index(layout: Layout, keep: Collection[Digest]) -> list[Removed]:
    """Remove the garbage, and make all pages agree with the JSON pages of the projects.

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
    for index in project_indexes(layout):
        write_project(layout, index)
    if layout.simple.is_dir():
        write_root(layout)
    return removed
