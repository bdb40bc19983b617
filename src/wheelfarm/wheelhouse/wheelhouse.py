"""The wheelhouse: storing, finding, activating, listing and collecting wheels."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_version

from wheelfarm.errors import RecordError, WheelhouseError
from wheelfarm.system.files import (
    TEMPORARY_PREFIX,
    copy_verified,
    explain_os_errors,
    read_text,
    sha256_of_file,
    write_atomically,
    write_if_changed,
)
from wheelfarm.system.locks import Lock
from wheelfarm.system.logs import get_logger
from wheelfarm.wheelhouse.garbage import Removed, garbage, marked, repair_index
from wheelfarm.wheelhouse.layout import DescribedWheel, Layout, metadata_of, read_metadata
from wheelfarm.wheelhouse.simple_index import list_wheel, projects, read_project_index, write_project
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from wheelfarm.model import Digest, Name, StoredWheel, Target
    from wheelfarm.wheelhouse.simple_index import IndexedFile

logger = get_logger(__name__)


class Wheelhouse:
    """The store of wheels and records of all variants, and the simple index over them.

    Writing takes the lock; reading needs none, since every file is whole at every instant. Each method
    raises WheelhouseError when a file that it needs is damaged, or cannot be read or written.

    Args:
        root: its directory, which is made when it is missing.
        timeout: seconds to wait for another process that is writing.
    """

    def __init__(self, root: Path, *, timeout: float = 600.0) -> None:
        self.root = root
        self._lock = Lock(root=root, timeout=timeout, command=Path(sys.argv[0]).name)

    def _layout(self, variant: str) -> Layout:
        return Layout(root=self.root, variant=variant)

    def store(self, wheel: Path, *, sha256: Digest, variant: str, key: Digest, record: str) -> StoredWheel:
        """Store a wheel and its record, and make it the current wheel of its slot (`IndexedFile.slot`).

        The order is wheel, metadata, record, pages: whatever is there refers only to what is there.
        An older wheel of the same slot stays, unlisted, until `collect_garbage` removes it.

        Args:
            wheel: the file, which is copied.
            sha256: the digest of the wheel that passed the gate.
            variant: its variant.
            key: its build key.
            record: the build record as JSON, which must describe this very wheel under `wheel`.

        Raises:
            WheelhouseError: also when the wheel's digest is not `sha256`, or the record describes another.
            WheelError: when the file is not a wheel.
        """
        layout = self._layout(variant)
        described = DescribedWheel.read(record, str(layout.record(key)))
        with explain_os_errors(wheel):
            actual = DescribedWheel(filename=wheel.name, sha256=sha256, size=wheel.stat().st_size)
            metadata = read_metadata(wheel)
        if described != actual:
            raise WheelhouseError(
                f"the record describes another wheel than {wheel.name}",
                where=str(wheel),
                why=f"it says {described}, the file is {actual}",
            )
        path = layout.wheel(sha256, wheel.name)
        with self._writing(layout):
            if not (path.is_file() and sha256_of_file(path) == sha256):
                copy_verified(wheel, path, sha256)
            write_if_changed(metadata_of(path), metadata)
            write_if_changed(layout.record(key), record.encode())
            return list_wheel(layout, actual, key)

    def ensure_writable(self, variant: str) -> None:
        """Raise, before hours are spent on a wheel, when it could not be stored."""
        probe = self._layout(variant).directory / ".writable"
        with self._lock.hold(), explain_os_errors(probe.parent):
            # A run that was killed here has left a file.
            for left in (*probe.parent.glob(f"{TEMPORARY_PREFIX}*"), probe):
                left.unlink(missing_ok=True)
            write_atomically(probe, b"")
            probe.unlink()

    def complete(self, variant: str) -> None:
        """Complete what an interrupted run left of a variant: pages that installers read may be old."""
        layout = self._layout(variant)
        if layout.unfinished.exists():
            with self._writing(layout):
                pass

    def find(self, variant: str, key: Digest, *, verify: bool = False) -> StoredWheel | None:
        """The stored wheel of a build key, current or not; None without one, or when it is damaged.

        Args:
            variant: the variant.
            key: the build key.
            verify: hash the wheel too, instead of comparing only its size.
        """
        layout = self._layout(variant)
        if not layout.record(key).is_file():
            return None
        try:
            return layout.stored_wheel(layout.check(key, verify=verify), key)
        except WheelhouseError as error:
            why = f", {error.why}" if error.why else ""
            logger.info("a stored wheel cannot be used again: %s (%s%s)", error.what, error.where, why)
            return None

    def find_content(self, variant: str, filename: str, sha256: Digest) -> Path | None:
        """A wheel by its content, listed or not, hashed anew; None when it is not here or is damaged."""
        path = self._layout(variant).wheel(sha256, filename)
        with explain_os_errors(path):
            return path if path.is_file() and sha256_of_file(path) == sha256 else None

    def activate(self, variant: str, key: Digest) -> StoredWheel:
        """Make the wheel of a build key the current one of its slot (`IndexedFile.slot`).

        It also completes what an interrupted `store` left undone. Nothing is written that is right already.
        """
        layout = self._layout(variant)
        with self._writing(layout):
            described = layout.check(key, verify=True)
            path = layout.wheel(described.sha256, described.filename)
            write_if_changed(metadata_of(path), read_metadata(path))
            return list_wheel(layout, described, key)

    def variants(self) -> list[str]:
        """The variants that have an index."""
        return sorted(path.parent.name for path in self.root.glob("*/simple") if path.is_dir())

    def projects(self, variant: str) -> list[Name]:
        """The distributions that a variant's index has a page for, in order."""
        return projects(self._layout(variant))

    def listed(self, variant: str, name: Name) -> tuple[IndexedFile, ...]:
        """The files that the index lists of one distribution, by version and file name."""
        layout = self._layout(variant)
        with explain_os_errors(layout.simple):
            return read_project_index(layout, name).files

    def current(
        self, variant: str, name: Name, version: str | None = None, target: Target | None = None
    ) -> tuple[StoredWheel, ...]:
        """The listed wheels of a distribution, oldest version first: all, or for a version or target."""
        layout = self._layout(variant)
        wanted = None if version is None else canonicalize_version(version)
        return tuple(
            layout.stored_wheel(file, file.key)
            for file in self.listed(variant, name)
            if wanted in (None, canonicalize_version(file.version))
            if target is None or serves(file.filename, target)
        )

    def wheel_path(self, variant: str, file: IndexedFile) -> Path:
        """The path of a listed wheel; its core metadata lies beside it."""
        return self._layout(variant).directory / file.path

    def recorded_keys(self, variant: str) -> list[Digest]:
        """The build keys that have a record, in order: those of current wheels, and of earlier builds."""
        return self._layout(variant).recorded_keys()

    def record_states(self, variant: str) -> dict[Digest, str]:
        """What changes whenever the file of a record does, by build key."""
        layout = self._layout(variant)
        with explain_os_errors(layout.records):
            return layout.record_states()

    def recorded_wheel(self, variant: str, key: Digest) -> StoredWheel:
        """The wheel that a record describes, listed or not, hashed anew."""
        layout = self._layout(variant)
        return layout.stored_wheel(layout.check(key, verify=True), key)

    def record(self, variant: str, key: Digest) -> str:
        """The text of a build record."""
        path = self._layout(variant).record(key)
        with explain_os_errors(path):
            return read_text(path, RecordError)

    def records(self, variant: str) -> Iterator[tuple[Digest, str]]:
        """All build records of a variant by build key, also those of wheels that are not listed any more."""
        return ((key, self.record(variant, key)) for key in self.recorded_keys(variant))

    def yank(self, variant: str, name: Name, these: Callable[[IndexedFile], bool], reason: str | None) -> int:
        """Yank some listed wheels of a distribution (PEP 592), or undo it.

        Args:
            variant: the variant.
            name: the distribution.
            these: which of its files.
            reason: why, which may be empty; None undoes it.

        Returns:
            How many files it changed.
        """
        layout = self._layout(variant)
        with self._writing(layout):
            before = read_project_index(layout, name)
            after = before.yanking(these, reason)
            if after != before:
                write_project(layout, after)
        return sum(one != other for one, other in zip(before.files, after.files, strict=True))

    def collect_garbage(
        self, variant: str, keep: Collection[Digest], *, dry_run: bool = False
    ) -> list[Removed]:
        """Remove wheels and records that are neither current nor of a key to keep, and what a kill left.

        Nothing is removed when a page of the index is damaged.

        Args:
            variant: the variant.
            keep: build keys whose wheels and records stay.
            dry_run: only return what would be removed.
        """
        layout = self._layout(variant)
        with self._lock.hold(), explain_os_errors(layout.directory):
            if dry_run or not layout.directory.is_dir():
                return garbage(layout, keep)
            with marked(layout):
                return repair_index(layout, keep)

    @contextmanager
    def _writing(self, layout: Layout) -> Iterator[None]:
        """Hold the lock, and first repair what an interrupted run left."""
        with self._lock.hold(), explain_os_errors(layout.directory):
            interrupted = layout.unfinished.exists()
            with marked(layout):
                if interrupted:
                    repair_index(layout, layout.recorded_keys())
                yield
