"""What the farm's indexes have of its builds already, found by rebuild key.

An index that cannot be used costs a warning, once a run, and a build; it never fails one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename

from wheelfarm.errors import FarmError, PublishError
from wheelfarm.index.factory import open_published
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wheelfarm.index.protocol import Index, ListedFile
    from wheelfarm.model import Digest, Name
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.attestation import Attestation
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class PublishedWheel:
    """A wheel that an index lists, with its papers; nothing of it is verified yet."""

    distribution: Name
    file: ListedFile
    papers: Attestation


@dataclass(frozen=True, kw_only=True)
class PublishedBuild:
    """All wheels of one build in one index, the main one first."""

    index: Index
    wheels: tuple[PublishedWheel, ...]

    @property
    def why(self) -> str:
        """As a reason for not building."""
        return f"published in {self.index.name}: {self.wheels[0].file.filename}"


@dataclass
class Published:
    """The indexes of a farm, asked for builds.

    Args:
        settings: the farm's, which name the indexes.
        wheelhouse: its wheelhouse.
        say: hears which index cannot be used.
    """

    settings: Settings
    wheelhouse: Wheelhouse
    say: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _open: dict[tuple[str, str], Index] = field(default_factory=dict, init=False)
    _found: dict[Digest, PublishedBuild | None] = field(default_factory=dict, init=False)
    _broken: set[str] = field(default_factory=set, init=False)

    def find(self, build: Build) -> PublishedBuild | None:
        """The first index's wheels whose records tell the keys of a build; None when none has them all."""
        if not self.settings.remote or self.settings.offline:
            return None
        with self._lock:
            if build.key not in self._found:
                self._found[build.key] = next(self._asked(build), None)
            return self._found[build.key]

    def warn(self, name: str, error: FarmError) -> None:
        """Say once why an index is of no use, and do without it from now on."""
        if name not in self._broken:
            why = f": {error.why}" if error.why else ""
            self.say(f"warning: no wheels are taken from index {name}: {error.what}{why}; building instead")
        self._broken.add(name)

    def _asked(self, build: Build) -> Iterator[PublishedBuild]:
        for name, table in self.settings.indexes.items():
            if name in self._broken or table.path(build.id.variant) is None:
                continue
            try:
                index = self._index(name, build.id.variant)
                wheels = [self._wheel(index, build, each) for each in build.distributions]
            except FarmError as error:
                self.warn(name, error)
                continue
            except (OSError, ValueError) as error:
                self.warn(name, PublishError("it does not answer as an index does", why=str(error)))
                continue
            if None not in wheels:
                yield PublishedBuild(index=index, wheels=tuple(each for each in wheels if each))

    def _index(self, name: str, variant: str) -> Index:
        if (name, variant) not in self._open:
            self._open[name, variant] = open_published(
                name, self.settings, variant, wheelhouse=self.wheelhouse, say=self.say
            )
        return self._open[name, variant]

    def _wheel(self, index: Index, build: Build, distribution: Name) -> PublishedWheel | None:
        listed = index.look([distribution])[distribution]
        fitting = [file for file in listed if not file.yanked and _fits(file.filename, build)]
        # Only then are there papers to look at.
        papers = index.papers(distribution, build.version) if fitting else {}
        found = [
            PublishedWheel(distribution=distribution, file=file, papers=each)
            for file in fitting
            if (each := _of(file, papers)) is not None and _key(each) == build.key_of(distribution)
        ]
        return max(found, key=lambda wheel: wheel.papers.read.wheel.number or 0, default=None)


def _fits(filename: str, build: Build) -> bool:
    """Whether a file is a wheel for a build's target; its record tells all else."""
    try:
        return serves(filename, build.id.target)
    except InvalidWheelFilename:
        return False


def _of(file: ListedFile, papers: Mapping[Digest, Attestation]) -> Attestation | None:
    """The papers of a listed file: by its digest, or by its name where the index tells no digest."""
    if file.sha256 is not None:
        return papers.get(file.sha256)
    return next((each for each in papers.values() if _filename(each) == file.filename), None)


def _key(papers: Attestation) -> Digest | None:
    try:
        return papers.read.key
    except FarmError:
        return None  # a record of a newer farm, or a damaged one: its wheel is not ours to take


def _filename(papers: Attestation) -> str | None:
    try:
        return papers.read.wheel.filename
    except FarmError:
        return None
