"""What was found: of one wheel, of one variant, and of the whole wheelhouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wheelfarm.model import CacheUse, Digest, Name
    from wheelfarm.records import Record
    from wheelfarm.survey.content import Content
    from wheelfarm.survey.sets import InstalledSet


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What could not be read or is not as it should be, and what to do about it."""

    what: str
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class PublicWheel:
    """The index's own wheel of the same version and target, or why there is none to compare with."""

    content: Content | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Past:
    """An earlier build of the same recipe for the same target, as its record tells."""

    key: Digest
    version: str
    finished: str
    seconds: float
    cache: CacheUse | None
    kept_build: bool
    size: int
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All that is known of one wheel that the index lists."""

    anchor: str
    """Its name on a page: the file's name, or another that is unique."""
    name: Name
    """The distribution, which is not always the recipe: a recipe may yield several."""
    version: str
    filename: str
    target: str
    """The build identifier; the wheel's tags where there is no record."""
    sha256: Digest
    key: Digest
    size: int
    stored: str
    """When it was stored: ISO 8601, UTC."""
    record: Record | None
    document: str
    """The record as it stands in its file; empty where there is none."""
    content: Content | None
    public: PublicWheel
    past: tuple[Past, ...]
    """Earlier builds, newest first."""
    problems: tuple[Problem, ...]

    @property
    def unpacked(self) -> int | None:
        """Bytes unpacked: of the wheel, or else as recorded."""
        if self.content is not None:
            return self.content.unpacked
        return sum(self.record.sizes.values()) if self.record is not None else None

    @property
    def seconds(self) -> float | None:
        """How long the build took, all steps together."""
        return sum(self.record.times.values()) if self.record is not None else None


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One wheel was built on another, by its bytes."""

    wheel: str
    """The anchor of the wheel that was built."""
    upstream: str | None
    """The anchor of the wheel that it was built on; None when the index no longer lists that one."""
    name: Name
    filename: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class VariantSurvey:
    """One variant's index: its wheels by name, version and target, and how they were built on each other."""

    variant: str
    findings: tuple[Finding, ...]
    edges: tuple[Edge, ...]
    sets: tuple[InstalledSet, ...]
    problems: tuple[Problem, ...]

    @property
    def troubles(self) -> int:
        """How many problems there are, those of wheels included."""
        return len(self.problems) + sum(len(finding.problems) for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that a report tells."""

    variants: tuple[VariantSurvey, ...]
    limit: int
    """Bytes that what is installed together may have, unpacked."""
    public: str
    """Why public wheels were left out; empty where they were asked for."""
