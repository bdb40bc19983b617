"""What a wheel is for, by the tags in its file name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.tags import Tag

from wheelfarm.model.wheel_names import parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.model import Python, Target

# The host engine may have to leave a wheel with the plain tag, which serves its own machine only.
_SYSTEMS: Final[Mapping[str, tuple[str, ...]]] = {"manylinux": ("manylinux", "linux")}
# A platform tag with a level: PEP 600 and its older names, PEP 656, and macOS's version; linux has none.
_LEVELLED: Final = re.compile(r"(?P<system>(?:many|musl)?linux|macosx)\d*(?:_\d+)*_(?P<arch>.+)")


def _serves_python(tag: Tag, python: Python) -> bool:
    release = f"cp{python.major}{python.minor}"
    if tag.abi == "none":
        return tag.interpreter in {f"py{python.major}", f"py{python.major}{python.minor}", release}
    if tag.abi == "abi3":
        # The stable ABI serves later versions too, but not the free-threaded build (PEP 703).
        since = tag.interpreter.removeprefix(f"cp{python.major}")
        return not python.threads and since.isdecimal() and int(since) <= python.minor
    return tag.interpreter == release and tag.abi == python.tag


def _serves_machine(tag: Tag, target: Target) -> bool:
    if tag.platform == "any":
        return True
    architectures = (target.arch, "universal2") if target.system == "macosx" else (target.arch,)
    return tag.platform.startswith(_SYSTEMS.get(target.system, (target.system,))) and tag.platform.endswith(
        architectures
    )


def serves(filename: str, target: Target) -> bool:
    """Whether a wheel of this file name is one for the target."""
    return any(
        _serves_python(tag, target.python) and _serves_machine(tag, target)
        for tag in parse_wheel_filename(filename)[3]
    )


def is_pure(tags: Iterable[Tag]) -> bool:
    """Whether a wheel with these tags is for each Python 3 and each platform."""
    found = list(tags)
    return all((tag.abi, tag.platform) == ("none", "any") for tag in found) and any(
        tag.interpreter == "py3" for tag in found
    )


def is_library(filename: str) -> bool:
    """Whether a wheel of this file name is for one platform and all Pythons: a C library, or a program."""
    return all(
        tag.abi == "none" and tag.platform != "any" and tag.interpreter == "py3"
        for tag in parse_wheel_filename(filename)[3]
    )


def _without_level(platform: str) -> str:
    levelled = _LEVELLED.fullmatch(platform)
    if levelled is None:  # any, or one of Windows
        return platform
    # The plain tag is what the host engine leaves where another build reaches manylinux.
    system = "manylinux" if levelled["system"] == "linux" else levelled["system"]
    return f"{system}_{levelled['arch']}"


def served(filename: str) -> frozenset[Tag]:
    """What a wheel of this file name is for: its tags (PEP 425), without the level in their platforms.

    The level, such as glibc's version, is what a build turned out to need, so the next build may change it.
    """
    return frozenset(
        Tag(tag.interpreter, tag.abi, _without_level(tag.platform))
        for tag in parse_wheel_filename(filename)[3]
    )
