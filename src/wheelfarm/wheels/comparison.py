"""Compares two wheels: metadata, sizes, linkage, and each member that differs."""

from __future__ import annotations

import difflib
import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.wheels.archive import read_member, unreadable_as_wheel_error
from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import Kind, contents
from wheelfarm.wheels.linkage import binary_format_of, linkage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.wheels.archive import Member, Wheel
    from wheelfarm.wheels.binary import Binary

# A repair tool puts a hash into the name of what it vendors: libfoo-1a2b3c4d.so.1, or 32 digits on Windows.
_HASH: Final = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{8}|[0-9a-f]{24})?(?=\.)")
_PLATFORM: Final = re.compile(r"\.(?:cpython-[0-9]+t?|cp[0-9]+t?|abi3)[^./]*(?=\.(?:so|pyd)$)")
_FACTS: Final = ("machine", "glibc", "macos", "stripped", "has_debug")
_LINES: Final = 12
"""The most lines of a text's difference."""
_WINDOW: Final = 200
"""Lines before and after the first difference that are compared: comparing is quadratic."""
_CHUNK: Final = 1 << 16
_COMPRESSION: Final = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}


def common_name(member: str) -> str:
    """A member's name without the platform and the hash in it: `_foo.cpython-311-darwin.so` is `_foo.so`."""
    name = _PLATFORM.sub("", member)
    return _HASH.sub("", name) if ".libs/" in name or ".dylibs/" in name else name


def difference(before: Wheel, after: Wheel) -> dict[str, Any]:
    """What differs in two wheels, as strings, numbers, lists and tables; sizes are bytes.

    `facts` and `sizes` are pairs by name. `members` lists each member that one wheel lacks or that differs:
    its `common_name`, its size in both (None where there is none), the `facts` and `sections` of binaries,
    the `lines` of a text, or the `offset` of the first byte that differs. `archive` lists what the two ZIP
    files say differently of equal members. A part without a difference is left out.

    Raises:
        WheelError: when a member or a binary cannot be read.
    """
    binaries = linkage(before), linkage(after)
    found = {
        "facts": _pairs(_facts(before, binaries[0]), _facts(after, binaries[1])),
        "sizes": _pairs(_sizes(before), _sizes(after)),
        **_contents(before, after, _binary_facts(*binaries)),
    }
    return {key: value for key, value in found.items() if value}


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The values of both by name, where they differ; of two lists what the other one lacks."""
    found = {}
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, list) and isinstance(new, list):
            old, new = sorted({*old} - {*new}), sorted({*new} - {*old})
        if old != new:
            found[name] = {"before": old, "after": new}
    return found


def _facts(wheel: Wheel, binaries: Sequence[Binary]) -> dict[str, str | list[str]]:
    return {
        "version": wheel.version,
        "tags": [*map(str, wheel.tags)],
        "requires_python": wheel.metadata.requires_python,
        "requires_dist": [*wheel.metadata.requires_dist],
        "blas": [
            " ".join(filter(None, (each.provider, each.interface, "in", *map(common_name, each.libraries))))
            for each in blas_all(binaries)
        ],
        "externals": [*externals(binaries)],
    }


def _sizes(wheel: Wheel) -> dict[str, int]:
    shares = {str(kind): share.size for kind, share in contents(wheel).kinds}
    kinds = dict.fromkeys(map(str, Kind), 0) | shares
    return {"packed": wheel.packed, "unpacked": wheel.unpacked, "files": len(wheel.members)} | kinds


def _binary_facts(before: Sequence[Binary], after: Sequence[Binary]) -> dict[str, dict[str, Any]]:
    """The facts that differ, by binary; of a fat one the first slice counts."""
    old, new = ({common_name(each.member): each for each in reversed(side)} for side in (before, after))
    return {name: _pairs(_binary(old[name]), _binary(new[name])) for name in old.keys() & new.keys()}


def _binary(binary: Binary) -> dict[str, Any]:
    needed = [_HASH.sub("", name.rpartition("/")[2]) for name in binary.needed]
    facts = {name: getattr(binary, name) for name in _FACTS}
    return {"exported": [*binary.exported], "needed": needed} | facts


def _contents(before: Wheel, after: Wheel, binary_facts: Mapping[str, Any]) -> dict[str, Any]:
    """The members that differ, and the facts of the archives that do."""
    old, new = _by_name(before), _by_name(after)
    members: list[dict[str, Any]] = []
    with (
        unreadable_as_wheel_error(before.path.name),
        zipfile.ZipFile(before.path) as first,
        unreadable_as_wheel_error(after.path.name),
        zipfile.ZipFile(after.path) as second,
    ):
        for name in sorted(old.keys() | new.keys()):
            one, other = old.get(name), new.get(name)
            member = {
                "member": name,
                "before": None if one is None else one.size,
                "after": None if other is None else other.size,
            }
            if one is None or other is None:
                members.append(member)
            elif _content(first.getinfo(one.name)) != _content(second.getinfo(other.name)):
                texts = read_member(first, one.name), read_member(second, other.name)
                facts = binary_facts.get(name)
                members.append(member | ({"facts": facts} if facts else {}) | _member(name, *texts))
        archive = _archive(first, second)
    if not (members or archive):
        files = before.path.read_bytes(), after.path.read_bytes()
        if files[0] != files[1]:
            # Extra fields, comments or padding.
            archive = {"offset": first_difference(*files)}
    return {"members": members, "archive": archive}


def _by_name(wheel: Wheel) -> dict[str, Member]:
    """The members by the names under which they are compared: two directories have the version in theirs."""
    stem = wheel.dist_info.removesuffix(".dist-info")
    versioned = {f"{stem}{suffix}": suffix for suffix in (".dist-info", ".data")}
    named = {}
    for member in wheel.members:
        top, slash, rest = member.name.partition("/")
        known = versioned.get(top)
        named[f"{known}{slash}{rest}" if known else common_name(member.name)] = member
    return named


def _content(info: zipfile.ZipInfo) -> tuple[int, int]:
    return info.file_size, info.CRC


def _member(name: str, before: bytes, after: bytes) -> dict[str, Any]:
    if name.endswith(".dist-info/RECORD"):
        return {"cause": "it lists the digests of the other members"}
    kinds = binary_format_of(before), binary_format_of(after)
    if kinds[0] is not None and kinds[0] == kinds[1]:
        # It imports the parser, which wheels without binaries do not need.
        from wheelfarm.wheels.sections import differing_sections  # noqa: PLC0415

        sections = differing_sections(before, after, kinds[0])
        if sections is not None:
            return {"sections": sections}
    lines = _differing_lines(before, after)
    return {"lines": lines} if lines else {"offset": first_difference(before, after)}


def _differing_lines(before: bytes, after: bytes) -> list[str]:
    """The first differing lines of two texts; none where one of the two is no text."""
    try:
        old, new = (each.decode("utf-8").splitlines() for each in (before, after))
    except UnicodeDecodeError:
        return []
    if b"\0" in before or b"\0" in after:
        return []
    common = zip(old, new, strict=False)
    at = next((number for number, (one, other) in enumerate(common) if one != other), min(len(old), len(new)))
    start, end = max(0, at - _WINDOW), at + _WINDOW
    changes = list(difflib.unified_diff(old[start:end], new[start:end], n=0, lineterm=""))[2:]
    if start:
        changes = [f"@@ from line {start + 1} on @@", *changes]
    return changes[:_LINES]


def first_difference(one: bytes, other: bytes) -> int:
    """The first offset at which they differ: the shorter one's length where that begins the longer one."""
    length = min(len(one), len(other))
    for start in range(0, length, _CHUNK):
        end = min(start + _CHUNK, length)
        if one[start:end] != other[start:end]:
            return next(at for at in range(start, end) if one[at] != other[at])
    return length


def _archive(one: zipfile.ZipFile, other: zipfile.ZipFile) -> dict[str, Any]:
    """What two archives say differently of members with the same name and content."""
    old, new = ({info.filename: info for info in archive.infolist()} for archive in (one, other))
    found: dict[str, Any] = {}
    for name in old:
        if name in new and _content(old[name]) == _content(new[name]):
            for fact, pair in _pairs(_entry(old[name]), _entry(new[name])).items():
                found.setdefault(fact, []).append({"member": name, **pair})
    if [name for name in old if name in new] != [name for name in new if name in old]:
        found["order"] = True
    return found


def _entry(info: zipfile.ZipInfo) -> dict[str, str | int]:
    """What an archive says of a member; the packed size differs where another zlib was at work."""
    return {
        "mode": f"{info.external_attr >> 16:o}",
        "date": "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time),
        "compression": _COMPRESSION.get(info.compress_type, str(info.compress_type)),
        "packed": info.compress_size,
    }
