"""Frozen values with the field's names, parsed at the door; no input or output here.

A value that exists is valid: the classmethods `parse` refuse everything else.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NewType, Self

from packaging.utils import canonicalize_name

from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Name = NewType("Name", str)
"""A distribution's name, normalised as PEP 503 says."""

Digest = NewType("Digest", str)
"""A sha256 as 64 lower-case hexadecimal digits."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION: Final = r"(?P<minor>0|[1-9][0-9]?)(?P<threads>t?)"
_PYTHON: Final = re.compile(rf"(?P<major>[1-9])\.{_VERSION}")
_LINUX: Final = "x86_64|i686|aarch64|armv7l|ppc64le|riscv64|s390x"
# win32 is the one identifier without an underscore.
_TARGET: Final = re.compile(
    rf"cp(?P<major>[1-9]){_VERSION}-(?P<place>(manylinux|musllinux)_({_LINUX})"
    r"|macosx_(arm64|universal2|x86_64)|win_(amd64|arm64)|win32)"
)


def parse_name(text: str) -> Name:
    """The normalised name of a distribution (PEP 503).

    Raises:
        UsageError: when it is not a valid name (core metadata specification, "Name").
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is not a distribution name",
            why="names hold letters, digits, '.', '_' and '-', and begin and end with a letter or digit",
        )
    return Name(canonicalize_name(text))


def parse_digest(text: str) -> Digest:
    """A sha256 in its hexadecimal form.

    Raises:
        UsageError: when it is not 64 hexadecimal digits.
    """
    lowered = text.lower()
    if not _DIGEST.fullmatch(lowered):
        raise UsageError(f"{text!r} is not a sha256", why="a sha256 has 64 hexadecimal digits")
    return Digest(lowered)


class Platform(StrEnum):
    """The systems that wheels are built for."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


class EngineName(StrEnum):
    """What runs a build."""

    CIBUILDWHEEL = "cibuildwheel"
    HOST = "host"


@dataclass(frozen=True, kw_only=True, order=True)
class Python:
    """A CPython feature version, such as 3.13, or 3.14t for the free-threaded build."""

    major: int
    minor: int
    threads: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `3.13` or `3.14t`.

        Raises:
            UsageError: when it is something else.
        """
        match = _PYTHON.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a Python version",
                why="a feature version is expected",
                hint="say, for example, 3.12",
            )
        return cls(major=int(match["major"]), minor=int(match["minor"]), threads=match["threads"])

    @property
    def version(self) -> tuple[int, int]:
        """The feature version as two numbers."""
        return (self.major, self.minor)

    @property
    def tag(self) -> str:
        """The interpreter part of a build identifier, such as cp313."""
        return f"cp{self.major}{self.minor}{self.threads}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}{self.threads}"


_SYSTEMS: Final[Mapping[str, Platform]] = {
    "manylinux": Platform.LINUX,
    "musllinux": Platform.LINUX,
    "macosx": Platform.MACOS,
    "win": Platform.WINDOWS,
}


@dataclass(frozen=True, kw_only=True, order=True)
class Target:
    """A cibuildwheel build identifier, such as cp312-manylinux_x86_64."""

    python: Python
    system: str
    arch: str

    @classmethod
    def parse(cls, identifier: str) -> Self:
        """Read a build identifier.

        Raises:
            UsageError: when cibuildwheel would not know it.
        """
        match = _TARGET.fullmatch(identifier)
        if match is None:
            raise UsageError(
                f"{identifier!r} is not a build identifier",
                why="one looks like cp312-manylinux_x86_64, cp313-macosx_arm64 or cp311-win_amd64",
            )
        python = Python(major=int(match["major"]), minor=int(match["minor"]), threads=match["threads"])
        system, _, arch = match["place"].replace("win32", "win_32").partition("_")
        return cls(python=python, system=system, arch=arch)

    @property
    def platform(self) -> Platform:
        """The operating system."""
        return _SYSTEMS[self.system]

    @property
    def identifier(self) -> str:
        """As cibuildwheel writes it (win32 has no architecture of its own)."""
        suffix = "32" if self.system == "win" and self.arch == "32" else f"_{self.arch}"
        return f"{self.python.tag}-{self.system}{suffix}"

    def __str__(self) -> str:
        return self.identifier


@dataclass(frozen=True)
class ConfigSettings:
    """PEP 517 config settings: each key with one value or a list of them, in a fixed order."""

    items: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, mapping: Mapping[str, str | Iterable[str]]) -> Self:
        """From a table whose values are strings or lists."""
        return cls(
            tuple(
                (key, (value,) if isinstance(value, str) else tuple(value)) for key, value in mapping.items()
            )
        )

    def for_build(self) -> list[str]:
        """As arguments of pypa/build: a repeated key makes a list."""
        return [f"-C{key}={value}" for key, values in self.items for value in values]

    def for_pip(self) -> list[str]:
        """As arguments of pip, which since 23.1 makes a list of a repeated key too."""
        return [f"--config-settings={key}={value}" for key, values in self.items for value in values]

    def for_uv(self) -> list[str]:
        """As arguments of uv."""
        return [f"--config-setting={key}={value}" for key, values in self.items for value in values]

    def for_cibuildwheel(self) -> str:
        """As CIBW_CONFIG_SETTINGS: shell words, a repeated key a list item."""
        return " ".join(shlex.quote(f"{key}={value}") for key, values in self.items for value in values)


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


Source = Sdist | GitCommit | Archive


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


@dataclass(frozen=True, kw_only=True)
class PatchedTree:
    """A source tree with its patch series applied."""

    source: FetchedSource
    path: Path
    patches: tuple[AppliedPatch, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PinnedWheel:
    """A wheel file whose bytes are known; `owner` tells where it comes from."""

    name: Name
    version: str
    path: Path
    sha256: Digest
    farm: bool = False
    """Whether it is a wheel of this farm (an upstream wheel) rather than one from the index."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentEntry:
    """A distribution that the build environment held, as found there after the build."""

    name: Name
    version: str
    sha256: Digest | None
    """The wheel that it was installed from; None for what the builder image brought along."""
    farm: bool = False


@dataclass(frozen=True, kw_only=True)
class BuiltWheel:
    """What the build backend made."""

    path: Path
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class RepairedWheel:
    """What the repair tool made of a built wheel."""

    path: Path
    sha256: Digest
    built_sha256: Digest | None = None
    environment: tuple[EnvironmentEntry, ...] = ()
    tools: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class StoredWheel:
    """A wheel in the wheelhouse, with its record and its place in the index."""

    name: Name
    version: str
    path: Path
    sha256: Digest
    key: Digest
    variant: str
