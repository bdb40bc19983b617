"""The states of a source and of a wheel: a type for each, so that a skipped step is a type error."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - records read these hints at run time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from wheelfarm.model.names import Digest, Name  # noqa: TC001 - records read these hints at run time

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CacheUse:
    """Hits and misses of one build."""

    hits: Annotated[int, "compiles that the cache saved"]
    misses: Annotated[int, "compiles that had to be done"]
    missed: Annotated[tuple[str, ...], "the first sources that had to be compiled"] = ()

    @property
    def compiles(self) -> int:
        return self.hits + self.misses

    def rate(self) -> float:
        """The share of compiles that was spared, from 0 to 1."""
        return self.hits / self.compiles if self.compiles else 1.0


@dataclass(frozen=True, kw_only=True)
class CompiledObjects:
    """How the objects in a wheel's binaries were compiled, as far as the calls of the compilers show it."""

    objects: Annotated[
        Mapping[str, Mapping[str, int]],
        "member to the number of objects by those of their options that choose instructions",
    ] = field(default_factory=dict)
    features: Annotated[
        Mapping[str, tuple[str, ...]],
        "the same options to what they choose beyond the architecture's baseline, as compilers name it",
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """A source distribution by version, from the configured index."""

    version: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class GitCommit:
    """A commit of a git repository, by its full hash."""

    version: str
    url: str
    commit: str
    submodules: bool = False


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive at a url."""

    version: str
    url: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class PublicWheel:
    """A pure wheel by version, from the configured index, that is taken over instead of being built."""

    version: str
    sha256: Digest


Source = Sdist | GitCommit | Archive | PublicWheel


@dataclass(frozen=True, kw_only=True)
class LockedRequirement:
    """One pinned line of a lock file: the only wheels of it that may be installed have one of the hashes."""

    name: Name
    version: str
    hashes: frozenset[Digest]
    marker: str | None = None


@dataclass(frozen=True, kw_only=True)
class FetchedSource:
    """A source archive on disk whose bytes are the pinned ones."""

    name: Name
    version: str
    path: Path
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class AppliedPatch:
    """A patch of the series, with the digest of its bytes."""

    file: str
    sha256: Digest
    text: str | None = None
    """Its bytes as UTF-8, other bytes escaped (PEP 383); None in an old record."""


@dataclass(frozen=True, kw_only=True)
class NonSourceFile:
    """A file of a source tree that is not source, and why the recipe allows it."""

    file: str
    kind: Annotated[str, "what its content is, such as ELF binary"]
    sha256: Digest
    reason: str
    in_wheel: Annotated[bool, "whether the wheel may have it too"]


@dataclass(frozen=True, kw_only=True)
class PatchedTree:
    """A source tree with its patch series applied."""

    source: FetchedSource
    path: Path
    """The whole tree."""
    subdirectory: str = "."
    """The project's directory in it."""
    patches: tuple[AppliedPatch, ...] = ()
    non_source: tuple[NonSourceFile, ...] = ()

    @property
    def project(self) -> Path:
        return self.path / self.subdirectory


@dataclass(frozen=True, kw_only=True)
class PinnedWheel:
    """A wheel file with a known digest."""

    name: Name
    version: str
    path: Path
    sha256: Digest
    farm: bool = False
    """Whether it is a wheel of this farm rather than one from the index."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentEntry:
    """A distribution in the build environment, as found there after the build."""

    name: Name
    version: str
    sha256: Digest | None
    """The wheel that it was installed from; None for a distribution of the builder image."""
    farm: bool = False


@dataclass(frozen=True, kw_only=True)
class RepairedWheel:
    """A wheel from the repair tool."""

    path: Path
    sha256: Digest
    built_sha256: Digest | None = None
    environment: tuple[EnvironmentEntry, ...] = ()
    toolchain: tuple[tuple[str, str], ...] = ()
    """Compilers and system packages with their versions, as found where the build ran."""
    cache_use: CacheUse | None = None
    """The use of the compiler cache; None without one."""
    build_cache: bool = False
    """Whether the build continued in a cached build directory."""
    compiled: CompiledObjects = field(default_factory=CompiledObjects)

    @property
    def from_nothing(self) -> bool:
        """Whether no compile of an earlier build went into it."""
        return self.cache_use is None and not self.build_cache


@dataclass(frozen=True, kw_only=True)
class StoredWheel:
    """A wheel in the wheelhouse, with its record."""

    name: Name
    version: str
    path: Path
    sha256: Digest
    key: Digest
    variant: str
