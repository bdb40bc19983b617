"""Examines a wheel and its binaries: what makes it fail elsewhere, or costs its user something."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from posixpath import dirname, normpath
from typing import TYPE_CHECKING, Final

from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.comparison import common_name
from wheelfarm.wheels.contents import Kind, contents, kind_of
from wheelfarm.wheels.instruction_sets import LEVELS, NATIVE, baseline_level, beyond, unsuitable_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.tags import Tag

    from wheelfarm.model import CompiledObjects, Digest
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary

_LEVEL: Final = re.compile(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)(?:_.*)?")
# The manylinux levels from before PEP 600 are aliases of these.
_LEGACY: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_CXX: Final = "libstdc++.so.6"
_GLIBCXX: Final = {
    (2, 5): "3.4.8",
    (2, 12): "3.4.13",
    (2, 17): "3.4.19",
    (2, 24): "3.4.22",
    (2, 27): "3.4.24",
    (2, 31): "3.4.28",
    (2, 34): "3.4.29",
    (2, 35): "3.4.30",
    (2, 39): "3.4.33",
}
"""glibc → the newest libstdc++ of all systems that have it (PEP 600), as auditwheel's policies say."""
_ORIGIN: Final = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?=/|$)")
_LOADER: Final = re.compile(r"@(?:loader_path|executable_path)(?=/|$)")
_DATA: Final = re.compile(r"[^/]+\.data/(?:pure|plat)lib/")
_HEADERS: Final = re.compile(r"[^/]+\.data/headers/")
_SCHEME: Final = re.compile(r"[^/]+(?=\.data/)")
_FROM_REPAIR: Final = re.compile(r"[^/]+\.libs|\.dylibs")
_ONE_PYTHON: Final = re.compile(r"\.(?:cpython-|cp)\d")
_OF_PYTHON: Final = re.compile(r"_?Py(?!Init)")
_SEARCHED: Final = "@rpath/"
"""What dyld replaces by each LC_RPATH: no other name makes it read them (dyld(1))."""
_FIRST_ARM64: Final = (11, 0)
"""The first macOS for this processor: a tag for both processors may be of an older one."""
_ALSO_11: Final = (10, 16)
"""What macOS 11 says it is to a Python that was built for an older one: such a Python makes tags of it."""
_COMMON: Final = frozenset({"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmarks"})
"""Names of packages at the top that several projects install by mistake."""


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that a member of a wheel does not keep."""

    rule: str
    member: str
    detail: str = ""


def examine(
    wheel: Wheel,
    binaries: Sequence[Binary],
    compiled: CompiledObjects | None = None,
    baseline: str | None = None,
) -> tuple[Finding, ...]:
    """All findings in a wheel, ordered by rule and member.

    Args:
        wheel: the wheel.
        binaries: its binaries.
        compiled: how their objects were compiled, where that is known.
        baseline: the instruction-set level that they may need, or native; by default the platform's.
    """
    found = set(_outside_packages(wheel))
    searched = any(name.startswith(_SEARCHED) for binary in binaries for name in binary.needed)
    level = baseline_level(wheel.platform_tag, baseline)
    for binary in binaries if level != NATIVE else ():
        objects = compiled.objects.get(binary.member, {}) if compiled else {}
        if binary.level and level and beyond(LEVELS[binary.level], level):
            found.add(Finding("instruction-set", binary.member, f"{binary.level}, by its own note"))
        if compiled:
            details = unsuitable_objects(objects, compiled, level)
            found |= {Finding(rule, binary.member, detail) for rule, detail in details}
    for binary in binaries:
        found |= set(_one(binary))
        found |= set(_rpaths(binary, searched=searched))
        found |= set(_newer_system(binary, wheel.platform_tag))
        if _CXX in binary.needed and not any(_CXX in each.names for each in binaries):
            found |= set(_newer_libstdcxx(binary, wheel.platform_tag))
        if binary.extension:
            found |= set(_stable_abi(binary, wheel.tags))
    return tuple(sorted(found | set(_twice(binaries))))


def _one(binary: Binary) -> Iterator[Finding]:
    """What is wrong with one binary."""
    if binary.executable_stack:
        yield Finding("executable-stack", binary.member)
    if binary.writable_code:
        yield Finding("writable-code", binary.member)
    if binary.text_relocations:
        yield Finding("text-relocations", binary.member)
    if binary.source_paths:
        yield Finding("source-paths", binary.member, f"such as {binary.source_paths[0]}")
    if binary.has_debug or not binary.stripped:
        detail = "debug information" if binary.has_debug else "symbol table"
        yield Finding("not-stripped", binary.member, detail)


def _rpaths(binary: Binary, *, searched: bool) -> Iterator[Finding]:
    """Entries of no use elsewhere; `searched` says whether a Mach-O binary of the wheel needs `@rpath/…`."""
    rule = "rpath" if searched or binary.format is not BinaryFormat.MACHO else "unused-rpath"
    for entry in binary.rpaths:
        if finding := rpath_finding(binary, entry, rule):
            yield finding


def rpath_finding(binary: Binary, entry: str, rule: str = "rpath") -> Finding | None:
    """The finding for an entry; None for a sound one."""
    why = rpath_problem(binary, entry)
    return Finding(rule, binary.member, f"{entry!r}: {why}") if why else None


def rpath_target(binary: Binary, entry: str, site: str) -> str | None:
    """The directory that an entry leads to, with site-packages at `site`; None when it is not relative."""
    found = (_LOADER if binary.format is BinaryFormat.MACHO else _ORIGIN).match(entry)
    if found is None:
        return None
    return normpath(f"{site}/{dirname(_DATA.sub('', binary.member))}/{entry[found.end() :]}")


def rpath_problem(binary: Binary, entry: str) -> str:
    """Why an entry of a binary's RPATH or RUNPATH is of no use elsewhere; empty when it is.

    The entry must be relative to the binary (ld.so(8), dyld(1)) and stay in site-packages.
    """
    if not entry:
        return "the current directory"
    target = rpath_target(binary, entry, ".")
    if target is None:
        if binary.format is BinaryFormat.MACHO and entry.startswith("@rpath"):
            return ""
        return "a directory of the build machine" if entry.startswith("/") else "relative to any directory"
    return "outside site-packages" if target.split("/")[0] == ".." else ""


def platform_level(tag: str) -> tuple[str, tuple[int, int]] | None:
    """System and version of a platform tag; None for one that has none, such as win_amd64."""
    for name, version in _LEGACY.items():
        if tag == name or tag.startswith(f"{name}_"):
            return "manylinux", version
    match = _LEVEL.fullmatch(tag)
    return (match[1], (int(match[2]), int(match[3]))) if match else None


def _newer_system(binary: Binary, platform_tag: str) -> Iterator[Finding]:
    """A symbol or a build version newer than the oldest system of the wheel's tags."""
    for system, name, needed in (("manylinux", "glibc", binary.glibc), ("macosx", "macOS", binary.macos)):
        oldest = _oldest(platform_tag, system)
        if oldest and system == "macosx" and (binary.machine == "arm64" or oldest == _ALSO_11):
            oldest = max(oldest, _FIRST_ARM64)
        if oldest and needed and _numbers(needed) > oldest:
            text = ".".join(map(str, oldest))
            yield Finding("newer-system", binary.member, f"{name} {needed}, and the tag says {text}")


def _oldest(platform_tag: str, system: str) -> tuple[int, int] | None:
    """The oldest version of a system among the tags of a wheel; None where none is for it."""
    levels = map(platform_level, platform_tag.split("."))
    return min((level[1] for level in levels if level and level[0] == system), default=None)


def _newer_libstdcxx(binary: Binary, platform_tag: str) -> Iterator[Finding]:
    """A symbol of libstdc++ that systems with the glibc of the wheel's oldest tag need not have."""
    oldest = _oldest(platform_tag, "manylinux")
    known = [version for version in _GLIBCXX if oldest and version <= oldest]
    if known and binary.libstdcxx and _all_numbers(binary.libstdcxx) > _all_numbers(_GLIBCXX[max(known)]):
        detail = f"GLIBCXX_{binary.libstdcxx}, and systems of the tag may have {_GLIBCXX[max(known)]} at most"
        yield Finding("newer-system", binary.member, detail)


def _all_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _stable_abi(binary: Binary, tags: Iterable[Tag]) -> Iterator[Finding]:
    """What a module for the stable ABI uses of CPython that the oldest Python of its tag lacks."""
    file = binary.member.rpartition("/")[2]
    claimed = any(tag.abi == "abi3" for tag in tags)
    if claimed and _ONE_PYTHON.search(file):
        yield Finding("stable-abi", binary.member, "its file name is for one Python, and the tag says abi3")
    elif claimed or ".abi3." in file:
        from abi3info import DATAS, FUNCTIONS  # noqa: PLC0415 - a large table for few wheels
        from abi3info.models import Symbol  # noqa: PLC0415

        oldest = min(_python_of(tag.interpreter) for tag in tags)
        for name in sorted(filter(_OF_PYTHON.match, binary.undefined)):
            known = FUNCTIONS.get(Symbol(name)) or DATAS.get(Symbol(name))
            if known is None:
                yield Finding("stable-abi", binary.member, f"{name} is not in it")
            elif (known.added.major, known.added.minor) > oldest:
                since = f"{known.added.major}.{known.added.minor}"
                detail = f"{name} is in it since Python {since}, and the tag says {oldest[0]}.{oldest[1]}"
                yield Finding("stable-abi", binary.member, detail)


def _python_of(interpreter: str) -> tuple[int, int]:
    """The version of a Python tag (PEP 425): 3.11 of cp311."""
    digits = re.sub(r"\D", "", interpreter)
    return int(digits[:1] or 0), int(digits[1:] or 0)


def _twice(binaries: Iterable[Binary]) -> Iterator[Finding]:
    """Libraries that a wheel has more than once: by content, and by name."""
    by_content = defaultdict[tuple[str, str], set[str]](set)
    # A wheel may have a program for each of several systems: no process loads two of them.
    by_name = defaultdict[tuple[str, BinaryFormat, str], set[str]](set)
    for binary in binaries:
        if binary.extension:
            continue
        by_content[binary.content, binary.machine].add(binary.member)
        by_name[_library_of(binary.member), binary.format, binary.machine].add(binary.member)
    same = [members for (content, _), members in by_content.items() if content and len(members) > 1]
    for members in same:
        yield from (Finding("library-twice", each, _others(members, each)) for each in members)
    for members in by_name.values():
        if len(members) > 1 and members not in same:
            yield from (Finding("soname-twice", each, _others(members, each)) for each in members)


def examine_beside(wheel: Wheel, others: Iterable[Wheel]) -> tuple[Finding, ...]:
    """What a wheel has in common with others that are installed beside it: paths, and copies of libraries.

    Equal files `__init__.py` are no finding: packages that share a namespace had them before PEP 420.
    """
    own, found = installed_paths(wheel), list[Finding]()
    libraries = {_library_of(member): member for member in own if kind_of(member) is Kind.LIBRARY}
    for other in others:
        theirs = installed_paths(other)
        for member in own.keys() & theirs.keys():
            if own[member] != theirs[member] or not member.endswith("__init__.py"):
                found.append(Finding("path-twice", member, f"in {other.path.name} too"))
        for member in theirs:
            same = libraries.get(_library_of(member)) if kind_of(member) is Kind.LIBRARY else None
            if same is not None:
                rule = "library-twice" if own[same] == theirs[member] else "soname-twice"
                found.append(Finding(rule, same, f"as {member} of {other.path.name}"))
    return tuple(sorted(found))


def installed_paths(wheel: Wheel) -> dict[str, Digest | None]:
    """The sha256 of each member by its path in site-packages, or below `.data/` and the scheme's name."""
    found = {}
    for member in wheel.members:
        if not member.name.startswith(f"{wheel.dist_info}/"):
            path = _DATA.sub("", member.name)
            # Headers have a directory for each distribution (binary distribution format specification).
            if not _HEADERS.match(path):
                found[_SCHEME.sub("", path)] = member.sha256
    return found


def _library_of(member: str) -> str:
    """The name of a library without what a repair tool and a version add to it."""
    return re.sub(r"\.so(?:\.\d+)*$", ".so", common_name(member).rpartition("/")[2])


def _others(members: set[str], member: str) -> str:
    return f"as {', '.join(sorted(members - {member}))}"


def _outside_packages(wheel: Wheel) -> Iterator[Finding]:
    """Files at the top that belong to no import package, and packages with a name that many have."""
    packages = set(contents(wheel).packages)
    for member in wheel.members:
        name = _DATA.sub("", member.name)
        top, _, rest = name.partition("/")
        if top == wheel.dist_info or top.endswith(".data") or _FROM_REPAIR.fullmatch(top):
            continue
        own = top if rest else top.partition(".")[0]
        known = own in packages or (not rest and _is_module(name)) or own.endswith("-stubs")
        if not known or (rest and own in _COMMON):
            yield Finding("outside-packages", member.name)


def _is_module(name: str) -> bool:
    """Whether a file at the top belongs there: mypyc's modules have names that no `import` can write."""
    return name.endswith((".pth", ".pyi")) or kind_of(name) is Kind.EXTENSION
