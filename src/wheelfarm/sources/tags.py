"""The tags of the wheels that can be installed where a target is built (PEP 425, 600, 656)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.tags import compatible_tags, cpython_tags, mac_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

    from wheelfarm.model import Target

_LEGACY: Final = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
"""The names of three glibc versions before PEP 600."""

_OLDEST_GLIBC: Final = {"x86_64": 5, "i686": 5}
_OLDEST_GLIBC_ELSEWHERE: Final = 17
"""PEP 599: manylinux2014 was the first for other architectures."""

_MUSL: Final = ((1, 2), (1, 1))
_MACOS: Final = (14, 0)
"""The oldest macOS that builds run on: Accelerate's LAPACK needs it."""


def supported_tags(target: Target, glibc: tuple[int, int]) -> tuple[Tag, ...]:
    """All tags that fit a target, best first.

    Args:
        target: what is built.
        glibc: the version of the builder's C library; counts for manylinux alone.
    """
    version, interpreter = target.python.version, target.python.tag
    platforms = tuple(_platforms(target, glibc))
    return (
        *cpython_tags(version, [interpreter], platforms),
        *compatible_tags(version, interpreter, platforms),
    )


def _platforms(target: Target, glibc: tuple[int, int]) -> Iterator[str]:
    match target.system:
        case "manylinux":
            yield f"linux_{target.arch}"
            yield from _manylinux(target.arch, glibc)
        case "musllinux":
            yield f"linux_{target.arch}"
            yield from (f"musllinux_{major}_{minor}_{target.arch}" for major, minor in _MUSL)
        case "macosx" if target.arch == "universal2":
            yield from (name for name in mac_platforms(_MACOS, "arm64") if name.endswith(target.arch))
        case "macosx":
            yield from mac_platforms(_MACOS, target.arch)
        case _:
            yield f"win{target.arch}" if target.arch == "32" else f"win_{target.arch}"


def _manylinux(arch: str, glibc: tuple[int, int]) -> Iterator[str]:
    """From the given glibc down to the oldest (PEP 600), each with its older name after it."""
    major, newest = glibc
    oldest = _OLDEST_GLIBC.get(arch, _OLDEST_GLIBC_ELSEWHERE)
    for minor in range(newest, oldest - 1, -1):
        yield f"manylinux_{major}_{minor}_{arch}"
        if name := _LEGACY.get((major, minor)):
            yield f"{name}_{arch}"
