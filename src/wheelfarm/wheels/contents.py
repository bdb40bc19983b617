"""Sorts what a wheel consists of by kind, from the names of its members."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.wheels.archive import Member, Wheel


class Kind(StrEnum):
    """What a member is there for."""

    EXTENSION = "extension"
    LIBRARY = "library"
    TESTS = "tests"
    PYTHON = "python"
    HEADER = "header"
    SOURCE = "source"
    TYPING = "typing"
    DATA = "data"
    METADATA = "metadata"


@dataclass(frozen=True, kw_only=True)
class Share:
    """The members of one kind; sizes are bytes."""

    count: int = 0
    size: int = 0
    compressed: int = 0


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A wheel's members by kind, its import packages, and its largest members, largest first."""

    kinds: tuple[tuple[Kind, Share], ...]
    packages: tuple[str, ...]
    largest: tuple[Member, ...]


_TEST_DIRECTORIES: Final = frozenset({"test", "tests"})
# Not `*_test.py`: in statistics that is a module with a test in it, such as scipy/stats/_page_trend_test.py.
_TEST_FILE: Final = re.compile(r"(?:test_.*|conftest)\.py")
# Extensions that only tests use stand beside the others: numpy's _umath_tests, scipy's _test_ccallback.
_TEST_EXTENSION: Final = re.compile(r"_*test_.*|.*_tests")
_VENDORED: Final = re.compile(r"(?:^|/)(?:[^/]*\.libs|\.dylibs)/")
# What follows the version may be anything: libgomp.so.1.0.0-8.5.0-28.el8.x86_64.debug.
_LIBRARY: Final = re.compile(r".*\.(?:dylib|dll|a|lib)|.*\.so\.\d.*|lib[^.]*\.so")
# What templates of sources end with, as in _binary_tree.pxi.tp.
_TEMPLATE: Final = re.compile(r"\.(?:in|tp)$")
_EXTENSION: Final = re.compile(r".*\.(?:so|pyd)")
_KINDS: Final = {
    "py": Kind.PYTHON,
    "pyi": Kind.TYPING,
    "typed": Kind.TYPING,
    **dict.fromkeys(("h", "hh", "hpp", "hxx", "inc", "pxd", "pxi"), Kind.HEADER),
    **dict.fromkeys(("c", "cc", "cpp", "cxx", "f", "f90", "pyx", "rs"), Kind.SOURCE),
}


def _scheme(parts: Sequence[str]) -> str | None:
    """The installation scheme of a path in a `.data` directory; None for any other."""
    return parts[1] if parts[0].endswith(".data") and len(parts) > 2 else None  # noqa: PLR2004


def kind_of(name: str) -> Kind:
    """The kind of a member. Tests beat every other kind, extensions included."""
    parts = name.split("/")
    if parts[0].endswith(".dist-info"):
        return Kind.METADATA
    if _scheme(parts) is not None:
        parts = parts[2:]
    *directories, file = parts
    stem = file.partition(".")[0]
    extension = _EXTENSION.fullmatch(file) is not None
    if (
        not _TEST_DIRECTORIES.isdisjoint(directories)
        or _TEST_FILE.fullmatch(file)
        or (extension and _TEST_EXTENSION.fullmatch(stem))
    ):
        return Kind.TESTS
    if _LIBRARY.fullmatch(file) or (_VENDORED.search(name) and extension):
        return Kind.LIBRARY
    if extension:
        return Kind.EXTENSION
    return _KINDS.get(_TEMPLATE.sub("", file).rpartition(".")[2], Kind.DATA)


def vendored(wheel: Wheel) -> tuple[Member, ...]:
    """The libraries in directories with the names that repair tools use.

    This is for wheels with no record of their repair: meson-python has such a directory for a project's own.
    """
    return tuple(
        member
        for member in wheel.members
        if _VENDORED.search(member.name) and kind_of(member.name) is Kind.LIBRARY
    )


def is_test(name: str) -> bool:
    """Whether a member is a test or belongs to one.

    A conftest.py alone is configuration of pytest, which some packages install with their code.
    """
    return kind_of(name) is Kind.TESTS and not name.endswith("/conftest.py")


def test_members(wheel: Wheel) -> tuple[Member, ...]:
    """The tests in a wheel, and their data."""
    return tuple(member for member in wheel.members if is_test(member.name))


def contents(wheel: Wheel, *, largest: int = 10) -> Contents:
    """The wheel's members by kind, the largest kind first, with the `largest` largest members."""
    members: dict[Kind, list[Member]] = defaultdict(list)
    for member in wheel.members:
        members[kind_of(member.name)].append(member)
    shares = {
        kind: Share(
            count=len(found),
            size=sum(member.size for member in found),
            compressed=sum(member.compressed for member in found),
        )
        for kind, found in members.items()
    }
    return Contents(
        kinds=tuple(sorted(shares.items(), key=lambda item: (-item[1].size, item[0]))),
        packages=_packages(wheel),
        largest=tuple(sorted(wheel.members, key=lambda member: (-member.size, member.name))[:largest]),
    )


def _packages(wheel: Wheel) -> tuple[str, ...]:
    """The names at the top that can be imported: packages, and modules of one file."""
    found = set()
    for member in wheel.members:
        parts = member.name.split("/")
        if (scheme := _scheme(parts)) is not None:
            # Only these two schemes end up on the import path (binary distribution format specification).
            if scheme not in {"purelib", "platlib"}:
                continue
            parts = parts[2:]
        top, *rest = parts
        code = member.name.endswith(".py") or _EXTENSION.fullmatch(member.name)
        name = top if rest else top.partition(".")[0]
        if code and name.isidentifier():
            found.add(name)
    return tuple(sorted(found))
