"""What wheels are built for, and by what: platforms, Pythons, build identifiers, engines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = r"(?P<minor>0|[1-9][0-9]?)(?P<threads>t?)"
_PYTHON: Final = re.compile(rf"(?P<major>[1-9])\.{_VERSION}")
_LINUX: Final = ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "riscv64", "s390x")
PLATFORM_SUFFIXES: Final = (
    *(f"{system}_{arch}" for system in ("manylinux", "musllinux") for arch in _LINUX),
    *("macosx_arm64", "macosx_universal2", "macosx_x86_64"),
    # win32 is the one identifier without an underscore.
    *("win_amd64", "win_arm64", "win32"),
)
"""What stands after the interpreter in a build identifier: system and architecture."""
_TARGET: Final = re.compile(rf"cp(?P<major>[1-9]){_VERSION}-(?P<suffix>{'|'.join(PLATFORM_SUFFIXES)})")


class Platform(StrEnum):
    """The systems that wheels are built for."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"

    @property
    def path_separator(self) -> str:
        """What stands between the directories of a variable such as PATH."""
        return ";" if self is Platform.WINDOWS else ":"


class EngineName(StrEnum):
    """What runs a build."""

    CIBUILDWHEEL = "cibuildwheel"
    HOST = "host"


class Isolation(StrEnum):
    """What keeps a build from all that is not its input."""

    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    """Linux namespaces that `unshare` makes."""
    CONTAINER = "container"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, order=True)
class Python:
    """A CPython feature version, such as 3.13, or 3.14t for the free-threaded build."""

    major: int
    minor: int
    threads: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `3.13` or `3.14t`; anything else is a UsageError."""
        match = _PYTHON.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a Python version",
                why="a feature version is expected, such as 3.12",
                hint="say, for example, 3.12",
            )
        return cls(major=int(match["major"]), minor=int(match["minor"]), threads=match["threads"])

    @property
    def version(self) -> tuple[int, int]:
        return (self.major, self.minor)

    @property
    def tag(self) -> str:
        """The interpreter part of a build identifier, such as cp313."""
        return f"cp{self.major}{self.minor}{self.threads}"

    @property
    def last_release(self) -> str:
        """A release with every correction, to compare with Requires-Python: `>=3.12.1` is for 3.12."""
        return f"{self.major}.{self.minor}.99"

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
        """Read a build identifier; one that cibuildwheel would not know is a UsageError."""
        match = _TARGET.fullmatch(identifier)
        if match is None:
            raise UsageError(
                f"{identifier!r} is not a build identifier",
                why="one looks like cp312-manylinux_x86_64, cp313-macosx_arm64 or cp311-win_amd64",
            )
        python = Python(major=int(match["major"]), minor=int(match["minor"]), threads=match["threads"])
        system, _, arch = match["suffix"].replace("win32", "win_32").partition("_")
        return cls(python=python, system=system, arch=arch)

    @property
    def platform(self) -> Platform:
        return _SYSTEMS[self.system]

    @property
    def identifier(self) -> str:
        """As cibuildwheel writes it."""
        return f"{self.python.tag}-{self.platform_suffix}"

    @property
    def platform_suffix(self) -> str:
        """Its second half, such as manylinux_x86_64; win32 has no architecture of its own."""
        suffix = "32" if self.system == "win" and self.arch == "32" else f"_{self.arch}"
        return f"{self.system}{suffix}"

    def __str__(self) -> str:
        return self.identifier
