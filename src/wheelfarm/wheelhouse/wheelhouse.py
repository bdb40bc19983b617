"""The wheelhouse itself: storing, finding, activating, listing and collecting."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_version

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import (
    copy_verified,
    explain_os_errors,
    sha256_of_file,
    write_atomically,
    write_if_changed,
)
from wheelfarm.system.locks import Lock
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.garbage import Removed, garbage, marked, recorded_keys, repair_index
from wheelfarm.wheelhouse.layout import Layout, metadata_of
from wheelfarm.wheelhouse.metadata import Described, read_metadata, stored_wheel, whole
from wheelfarm.wheelhouse.simple_index import (
    list_wheel,
    project_indexes,
    projects,
    read_project_index,
    write_project,
)
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from wheelfarm.model import Digest, Name, StoredWheel, Target
    from wheelfarm.wheelhouse.project_index import IndexedFile

logger = get_logger(__name__)


class Wheelhouse:
    """The store of wheels and records of all variants, and the simple index over them.

    Writing takes the lock; reading needs none, since every file is whole at every instant.

    Args:
        root: its directory, which is made when it is missing.
        timeout: seconds to wait for another process that is writing.
        command: what other processes call this one while they wait for it.
    """

    def __init__(
        self,
        root: Path,
        *,
        timeout: float = 600.0,
        command: str = Path(sys.argv[0]).name,
    ) -> None:
        self.root = root
        self._lock = Lock(root=root, timeout=timeout, command=command)

    def store(
        self, wheel: Path, *, sha256: Digest, variant: str, key: Digest, record: Mapping[str, object] | str
    ) -> StoredWheel:
        """Store a wheel and its record, and make it the current wheel of its slot (`IndexedFile.slot`).

        The order is wheel, metadata, record, pages: whatever is there refers only to what is there.
        An older wheel of the same slot stays, unlisted, until `collect_garbage` removes it.

        Args:
            wheel: the file, which is copied.
            sha256: the digest that the gate has seen.
            variant: the variant that it belongs to.
            key: the rebuild key.
            record: the build record, which must describe this very wheel under `wheel`.

        Raises:
            WheelhouseError: when the disk is full, the place cannot be written, the wheel's bytes are other
                ones than `sha256` says, or the record describes another wheel.
            WheelError: when the file is not a wheel.
        """
        layout = Layout(root=self.root, variant=variant)
        text = record if isinstance(record, str) else json.dumps(record, sort_keys=True, indent=1) + "\n"
        described = Described.read(text, str(layout.record(key)))
        with explain_os_errors(wheel):
            actual = Described(filename=wheel.name, sha256=sha256, size=wheel.stat().st_size)
            metadata = read_metadata(wheel)
        if described != actual:
            raise WheelhouseError(
                f"the record describes another wheel than {wheel.name}",
                where=str(wheel),
                why=f"it says {described}, the file is {actual}",
            )
        place = layout.wheel(sha256, wheel.name)
        with self._writing(layout):
            if not (place.is_file() and sha256_of_file(place) == sha256):
                copy_verified(wheel, place, sha256)
            write_if_changed(metadata_of(place), metadata)
            write_if_changed(layout.record(key), text.encode())
            return list_wheel(layout, actual, key)

    def ensure_writable(self, variant: str) -> None:
        """Find out, before hours are spent on a wheel, whether it could be stored.

        Raises:
            WheelhouseError: when the place cannot be written.
        """
        probe = Layout(root=self.root, variant=variant).directory / ".writable"
        with self._lock.hold():
            write_atomically(probe, b"")
            probe.unlink()

    def find(self, variant: str, key: Digest, *, verify: bool = False) -> StoredWheel | None:
        """The stored wheel of a rebuild key, current or not.

        Args:
            variant: the variant that it belongs to.
            key: the rebuild key.
            verify: hash the wheel too, rather than compare its size only.

        Returns:
            None without one, or when it is damaged; the reason is logged.
        """
        layout = Layout(root=self.root, variant=variant)
        if not layout.record(key).is_file():
            return None
        try:
            return stored_wheel(layout, whole(layout, key, verify=verify), key)
        except WheelhouseError as error:
            logger.info("a stored wheel cannot be used again: %s (%s)", error.what, error.where)
            return None

    def activate(self, variant: str, key: Digest) -> StoredWheel:
        """Make the wheel of a rebuild key the current one of its slot (`IndexedFile.slot`).

        It also completes what an interrupted `store` left undone. Nothing is written that is right already.

        Raises:
            WheelhouseError: when that wheel or its record is missing or damaged.
        """
        layout = Layout(root=self.root, variant=variant)
        with self._writing(layout):
            described = whole(layout, key, verify=True)
            place = layout.wheel(described.sha256, described.filename)
            write_if_changed(metadata_of(place), read_metadata(place))
            return list_wheel(layout, described, key)

    def current(
        self, variant: str, name: Name, version: str | None = None, target: Target | None = None
    ) -> tuple[StoredWheel, ...]:
        """The wheels of a distribution that the index lists, oldest version first.

        Args:
            variant: the variant whose index is read.
            name: the distribution.
            version: only wheels of this version.
            target: only wheels for this target.

        Raises:
            WheelhouseError: when the distribution's page is damaged.
        """
        layout = Layout(root=self.root, variant=variant)
        wanted = None if version is None else canonicalize_version(version)
        with explain_os_errors(layout.simple):
            files = read_project_index(layout, name).files
        return tuple(
            stored_wheel(layout, file, file.key)
            for file in files
            if wanted in (None, canonicalize_version(file.version))
            if target is None or serves(file.filename, target)
        )

    def listed_files(self, variant: str) -> Iterator[tuple[Name, IndexedFile]]:
        """All files that a variant's index lists, by project, version and file name.

        Raises:
            WheelhouseError: when a page of the index is damaged.
        """
        layout = Layout(root=self.root, variant=variant)
        with explain_os_errors(layout.simple):
            for project_index in project_indexes(layout):
                for file in project_index.files:
                    yield project_index.project, file

    def projects(self, variant: str) -> list[Name]:
        """The distributions that a variant's index has a page for, in order."""
        return projects(Layout(root=self.root, variant=variant))

    def listed(self, variant: str, name: Name) -> tuple[IndexedFile, ...]:
        """The files that the index lists of one distribution, by version and file name.

        Raises:
            WheelhouseError: when the distribution's page is damaged.
        """
        layout = Layout(root=self.root, variant=variant)
        with explain_os_errors(layout.simple):
            return read_project_index(layout, name).files

    def recorded_keys(self, variant: str) -> list[Digest]:
        """The rebuild keys that have a record, in order: those of current wheels, and of earlier builds."""
        return sorted(recorded_keys(Layout(root=self.root, variant=variant)))

    def yank(self, variant: str, name: Name, these: Callable[[IndexedFile], bool], reason: str | None) -> int:
        """Have installers pass by some listed wheels of a distribution (PEP 592), or take them again.

        Args:
            variant: the variant whose index says so.
            name: the distribution.
            these: which of its files.
            reason: why, which may be empty; None candidates them again.

        Returns:
            How many files it changed.

        Raises:
            WheelhouseError: when the distribution's page is damaged or cannot be written.
        """
        layout = Layout(root=self.root, variant=variant)
        with self._writing(layout):
            before = read_project_index(layout, name)
            after = before.yanking(these, reason)
            if after != before:
                write_project(layout, after)
        return sum(one != other for one, other in zip(before.files, after.files, strict=True))

    def wheel_path(self, variant: str, file: IndexedFile) -> Path:
        """Where a listed wheel lies; its core metadata lies beside it."""
        return Layout(root=self.root, variant=variant).directory / file.path

    def record(self, variant: str, key: Digest) -> str:
        """The text of a build record.

        Raises:
            WheelhouseError: when there is none.
        """
        path = Layout(root=self.root, variant=variant).record(key)
        with explain_os_errors(path):
            return path.read_text(encoding="utf-8")

    def records(self, variant: str) -> Iterator[tuple[Digest, str]]:
        """All build records of a variant by rebuild key, those of wheels that are not listed any more too.

        Raises:
            WheelhouseError: when one cannot be read.
        """
        layout = Layout(root=self.root, variant=variant)
        for key in sorted(recorded_keys(layout)):
            yield key, self.record(variant, key)

    def find_content(self, variant: str, filename: str, sha256: Digest) -> Path | None:
        """A wheel by its content, listed or not, hashed anew; None when it is not here or is damaged.

        Raises:
            WheelhouseError: when it cannot be read.
        """
        path = Layout(root=self.root, variant=variant).wheel(sha256, filename)
        with explain_os_errors(path):
            return path if path.is_file() and sha256_of_file(path) == sha256 else None

    def variants(self) -> list[str]:
        """The variants that have an index."""
        return sorted(path.parent.name for path in self.root.glob("*/simple") if path.is_dir())

    def collect_garbage(
        self, variant: str, keep: Collection[Digest], *, dry_run: bool = False
    ) -> list[Removed]:
        """Remove wheels and records that are neither current nor of a key to keep, and what a kill left.

        Args:
            variant: the variant whose directory is cleaned.
            keep: rebuild keys whose wheels and records stay.
            dry_run: only tell what would be removed.

        Raises:
            WheelhouseError: when a page of the index is damaged: nothing is removed then.
        """
        layout = Layout(root=self.root, variant=variant)
        with self._lock.hold(), explain_os_errors(layout.directory):
            if dry_run or not layout.directory.is_dir():
                return garbage(layout, keep)
            with marked(layout):
                return repair_index(layout, keep)

    @contextmanager
    def _writing(self, layout: Layout) -> Iterator[None]:
        """Hold the lock, and first clear up after a run that was interrupted."""
        with self._lock.hold(), explain_os_errors(layout.directory):
            interrupted = layout.unfinished.exists()
            with marked(layout):
                if interrupted:
                    repair_index(layout, recorded_keys(layout))
                yield
