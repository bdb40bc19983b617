"""What a record asks for by digest, found again: the wheel, those it was built on, patches, source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from wheelfarm.errors import ChainError, Collector, PatchError, SourceError
from wheelfarm.model import PinnedWheel, Sdist
from wheelfarm.pipeline.recorded import record_place
from wheelfarm.sources import Cache
from wheelfarm.wheelhouse import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import AppliedPatch, Digest
    from wheelfarm.plan import Build
    from wheelfarm.records import Record
    from wheelfarm.sources import Fetcher
    from wheelfarm.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """All that one record asks for; whatever has other bytes than then is refused."""

    record: Record
    """That of the main wheel."""
    splits: tuple[Record, ...]
    """Those of the wheels that were split off."""
    house: Wheelhouse
    patches_today: Path
    """The recipe's patches in the farm, for a record that is too old to hold its own."""
    work: Path
    """Where the patches are written to."""
    cache: Path

    @cached_property
    def stored(self) -> tuple[Path, ...]:
        """The wheels that the records describe, the main one first.

        Raises:
            ChainError: a group with those that are missing or damaged.
        """
        problems, found = Collector(), []
        for record in (self.record, *self.splits):
            with problems.collect():
                what, wheel = f"the wheel of {record.distribution} itself", record.wheel
                found.append(self._content(wheel.filename, wheel.sha256, what))
        problems.check()
        return tuple(found)

    @cached_property
    def upstream(self) -> tuple[PinnedWheel, ...]:
        """The very wheels of the farm that it was built on.

        Raises:
            ChainError: a group with those that are missing or damaged.
        """
        problems, found = Collector(), []
        for wheel in self.record.upstream:
            with problems.collect():
                what = f"the wheel of {wheel.name} that {self.record.recipe} was built on"
                path = self._content(wheel.filename, wheel.sha256, what)
                version = wheel.filename.split("-")[1]
                found.append(
                    PinnedWheel(name=wheel.name, version=version, path=path, sha256=wheel.sha256, farm=True)
                )
        problems.check()
        return tuple(found)

    @cached_property
    def patches(self) -> tuple[Path, ...]:
        """Files with the patches, in their order.

        Raises:
            PatchError: a group with those whose bytes are not to be had.
        """
        problems, found = Collector(), []
        for patch in self.record.patches:
            with problems.collect():
                content = self._patch(patch)
                path = self.work / "patches" / self.record.key / patch.file
                write_atomically(path, content, "the place for rebuilding")
                found.append(path)
        problems.check()
        return tuple(found)

    def fetch(self, build: Build, fetcher: Fetcher) -> None:
        """Get all that comes from outside into the cache.

        Args:
            build: what the record tells.
            fetcher: with the same cache.

        Raises:
            FarmError: a group with all that is not to be had, or not with the recorded bytes.
        """
        problems = Collector()
        with problems.collect():
            self._fetch_source(build, fetcher)
        recorded = {entry.name: entry.sha256 for entry in self.record.build_requirements}
        for requirement in (*build.requirements, *build.provider_requirements):
            with problems.collect():
                wheel = fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
                wanted = recorded.get(wheel.name) or wheel.sha256
                if wheel.sha256 != wanted:
                    raise SourceError(
                        f"another wheel of {wheel.name} {wheel.version} is found than the one of then",
                        where=wheel.path.name,
                        why=f"it was one with sha256 {wanted}, and is one with {wheel.sha256}",
                    )
        problems.check()

    def _content(self, filename: str, sha256: Digest, what: str) -> Path:
        path = self.house.content(self.record.variant, filename, sha256)
        if path is None:
            raise ChainError(
                f"{what} is not in the wheelhouse any more",
                where=record_place(self.record),
                why=f"{filename} with sha256 {sha256} is missing or damaged",
                hint=f"put it back at wheelhouse/{self.record.variant}/wheels/{sha256[:16]}/",
            )
        return path

    def _patch(self, patch: AppliedPatch) -> bytes:
        """The bytes of a patch: from the record, or by their digest from the farm where the record is old."""
        if patch.text is not None:
            content, where = patch.text.encode("utf-8", "surrogateescape"), record_place(self.record)
            why, hint = "the record was changed", "take it from a backup"
        else:
            today = self.patches_today / patch.file
            content, where = today.read_bytes() if today.is_file() else b"", str(today)
            why = "the record is of a form that held no patches, and the farm's was changed or removed"
            hint = f"find the one of then: git log -- patches/{self.record.recipe}/{patch.file}"
        if hashlib.sha256(content).hexdigest() != patch.sha256:
            raise PatchError(
                f"{patch.file} is not to be had as it was applied to {self.record.recipe}",
                where=where,
                why=f"{why}; its sha256 was {patch.sha256}",
                hint=hint,
            )
        return content

    def _fetch_source(self, build: Build, fetcher: Fetcher) -> None:
        source, recorded = build.entry.source, self.record.source
        lost = not isinstance(source, Sdist) and not source.url
        if lost and Cache(self.cache).find(recorded.sha256) is None:
            raise SourceError(
                f"nothing tells any more where {recorded.filename} is",
                where=record_place(self.record),
                why="the record is of a form that held no url, and the cache does not hold the file",
            )
        found = fetcher.source(build.id.name, source)
        if found.sha256 != recorded.sha256:
            raise SourceError(
                f"the source of {build.id.name} has other bytes than then",
                where=found.path.name,
                why=f"its sha256 was {recorded.sha256} and is {found.sha256}",
            )
