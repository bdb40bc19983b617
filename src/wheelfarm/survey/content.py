"""What a wheel consists of, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from packaging.requirements import Requirement

from wheelfarm.model import Name, parse_name
from wheelfarm.wheels import Kind, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.wheels import Wheel

LARGEST: Final = 10
"""How many of the largest files are kept."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The files of one kind, or of one reason why they could be left out."""

    what: str
    files: int
    size: int
    """Bytes, unpacked."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a wheel, and its bytes unpacked."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """A wheel's size by kind, its largest files, what could be left out, its BLAS, and what it requires."""

    filename: str
    packed: int
    unpacked: int
    kinds: tuple[Part, ...]
    """In the order of `Kind`, without those that the wheel has nothing of."""
    largest: tuple[File, ...]
    removable: tuple[Part, ...]
    blas: tuple[str, ...]
    """Each library of BLAS in it, such as `openblas, lp64, OpenBLAS 0.3.30`."""
    glibc: str
    """The newest symbol version that one of its binaries asks for; empty where there is none."""
    requires: tuple[Name, ...]
    """Distributions that it needs when it is installed, but for extras."""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Self:
        """From what `wheels.describe` tells."""
        kinds = description["kinds"]
        return cls(
            filename=description["file"],
            packed=description["size"]["packed"],
            unpacked=description["size"]["unpacked"],
            kinds=tuple(
                Part(what=str(kind), files=kinds[kind]["count"], size=kinds[kind]["size"])
                for kind in Kind
                if kind in kinds
            ),
            largest=tuple(
                File(name=each["member"], kind=each["kind"], size=each["size"])
                for each in description["largest"][:LARGEST]
            ),
            removable=tuple(
                Part(what=what, files=group["files"], size=group["bytes"])
                for what, group in description["removable"].items()
            ),
            blas=tuple(
                ", ".join(str(each[key]) for key in ("provider", "interface", "build") if each[key])
                for each in description["blas"]
            ),
            glibc=description["linkage"]["glibc"],
            requires=tuple(sorted(set(_needed(description["requires_dist"])))),
        )

    def size_of(self, kind: str) -> int:
        """Bytes of one kind."""
        return sum(part.size for part in self.kinds if part.what == kind)

    def files_of(self, kind: str) -> int:
        """How many files are of one kind."""
        return sum(part.files for part in self.kinds if part.what == kind)


def _needed(requirements: list[str]) -> list[Name]:
    """The names of requirements; a marker that speaks of an extra is one's own choice."""
    parsed = [Requirement(text) for text in requirements]
    return [parse_name(each.name) for each in parsed if "extra" not in str(each.marker or "")]


def content_of(wheel: Wheel) -> Content:
    """What an opened wheel consists of.

    Raises:
        WheelError: when a member cannot be read.
    """
    return Content.of(describe(wheel))
