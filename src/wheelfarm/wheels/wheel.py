"""A wheel as a frozen value: what its file name, its metadata and its RECORD say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.tags import Tag

    from wheelfarm.model import Digest, Name


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a wheel; sizes are bytes."""

    name: str
    size: int
    compressed: int
    sha256: Digest | None
    """As RECORD states it; None for RECORD itself and its signatures, which cannot be listed with a hash."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The core metadata that the farm asks about."""

    name: Name
    version: str
    requires_python: str = ""
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel whose structure is sound; `verify` tells whether its bytes are too."""

    path: Path
    name: Name
    version: str
    build: str
    """The build tag, such as 1 or 2local; empty when there is none."""
    tags: frozenset[Tag]
    metadata: Metadata
    members: tuple[Member, ...]
    dist_info: str
    """The name of the `.dist-info` directory."""

    @property
    def platform_tag(self) -> str:
        """The platforms as the file name writes them, such as `manylinux_2_28_x86_64`."""
        return self.path.stem.rpartition("-")[2]

    @property
    def packed(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    @property
    def unpacked(self) -> int:
        """The size of all members in bytes."""
        return sum(member.size for member in self.members)


def files(wheel: Wheel) -> dict[str, str]:
    """What an installation of the wheel must hold: the path in RECORD and the sha256 of each file.

    Files under `.data/` are left out, because installers move and rewrite them, and so are RECORD and its
    signatures, which have no hash.
    """
    return {
        member.name: member.sha256
        for member in wheel.members
        if member.sha256 is not None and not member.name.partition("/")[0].endswith(".data")
    }
