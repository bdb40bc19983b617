"""Compares the members of two wheels: sections, lines, and what the archives say of them."""

from __future__ import annotations

import difflib
import zipfile
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.wheels.archive import read_member, unreadable_as_wheel_error
from wheelfarm.wheels.comparison import by_name
from wheelfarm.wheels.linkage import binary_format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel


_CHUNK: Final = 1 << 16
_REACH: Final = 120
"""How far a text is followed in each direction, in bytes."""
_SHORTEST: Final = 6
"""Printable bytes from which on they are taken for a text."""


def first_difference(one: bytes, other: bytes) -> int:
    """The first offset at which they differ: the shorter one's length where that begins the longer one."""
    length = min(len(one), len(other))
    for start in range(0, length, _CHUNK):
        end = min(start + _CHUNK, length)
        if one[start:end] != other[start:end]:
            return next(at for at in range(start, end) if one[at] != other[at])
    return length


def text_around(data: bytes, at: int) -> str:
    """The printable text (ASCII) that an offset is in; empty where it is in none."""
    start = at
    while start > max(0, at - _REACH) and _printable(data[start - 1]):
        start -= 1
    end = at
    while end < min(len(data), at + _REACH) and _printable(data[end]):
        end += 1
    return data[start:end].decode("ascii") if end - start >= _SHORTEST else ""


def _printable(byte: int) -> bool:
    return 0x20 <= byte < 0x7F  # noqa: PLR2004 - ASCII, from the space to the tilde


_HEAD: Final = 64
_LINES: Final = 12
"""The most lines of a text's difference."""
_WINDOW: Final = 200
"""Lines before and after the first difference that are compared: comparing is quadratic."""
_METHODS: Final[Mapping[int, str]] = {
    zipfile.ZIP_STORED: "stored",
    zipfile.ZIP_DEFLATED: "deflated",
    zipfile.ZIP_BZIP2: "bzip2",
    zipfile.ZIP_LZMA: "lzma",
}


def inside(before: Wheel, after: Wheel) -> dict[str, Any]:
    """Where the members differ that both have, and how the archives tell of those that are the same.

    `inside` lists a table for each member of other content, by name: `sections` of a binary, `lines` of a
    text as a unified diff, or the `offset` of the first byte that differs. `archive` tells by word (mode,
    date, compression, packed, order) which members of the same content the archives treat otherwise; where
    nothing else differs, the `offset` of the first byte that does. A part without a difference is left out.

    Raises:
        WheelError: when a member cannot be read.
    """
    one, other = before.path, after.path
    old, new = by_name(before), by_name(after)
    members = []
    with (
        unreadable_as_wheel_error(one.name),
        zipfile.ZipFile(one) as first,
        unreadable_as_wheel_error(other.name),
        zipfile.ZipFile(other) as second,
    ):
        for name in sorted(old.keys() & new.keys()):
            names = old[name].name, new[name].name
            if _content(first.getinfo(names[0])) == _content(second.getinfo(names[1])):
                continue
            texts = read_member(first, names[0]), read_member(second, names[1])
            members.append({"member": name, **_member(name, *texts)})
        archive = _archive(first, second)
        if not (members or archive or old.keys() ^ new.keys()):
            archive = _bytes(one, other)
    found = {"inside": members, "archive": archive}
    return {key: value for key, value in found.items() if value}


def _bytes(one: Path, other: Path) -> dict[str, Any]:
    """Where two archives differ that tell the same of the same members: extra fields, comments, padding."""
    texts = one.read_bytes(), other.read_bytes()
    return {} if texts[0] == texts[1] else {"offset": first_difference(*texts)}


def _content(info: zipfile.ZipInfo) -> tuple[int, int]:
    """What tells two contents apart; RECORD may say of both what is true of one."""
    return info.file_size, info.CRC


def _member(name: str, before: bytes, after: bytes) -> dict[str, Any]:
    """Where a member differs, in the way that suits what it is."""
    if name.endswith(".dist-info/RECORD"):
        return {"cause": "it lists the digests of the other members"}
    kinds = binary_format_of(before[:_HEAD]), binary_format_of(after[:_HEAD])
    if kinds[0] is not None and kinds[0] == kinds[1]:
        # The parser is heavy, and most wheels that are compared have no binary that differs.
        from wheelfarm.wheels.sections import differing_sections  # noqa: PLC0415

        sections = differing_sections(before, after, kinds[0])
        if sections is not None:
            return {"sections": sections}
    lines = _lines(before, after)
    return {"lines": lines} if lines else {"offset": first_difference(before, after)}


def _lines(before: bytes, after: bytes) -> list[str]:
    """The first differing lines of two texts; none where one of the two is no text."""
    try:
        old, new = (each.decode("utf-8").splitlines() for each in (before, after))
    except UnicodeDecodeError:
        return []
    if b"\0" in before or b"\0" in after:
        return []
    common = zip(old, new, strict=False)
    at = next((number for number, (one, other) in enumerate(common) if one != other), min(len(old), len(new)))
    start = max(0, at - _WINDOW)
    end = at + _WINDOW
    changes = list(difflib.unified_diff(old[start:end], new[start:end], n=0, lineterm=""))[2:]
    if start:
        changes = [f"@@ from line {start + 1} on @@", *changes]
    return changes[:_LINES]


def _archive(one: zipfile.ZipFile, other: zipfile.ZipFile) -> dict[str, Any]:
    """What the archives say of the members that both have under the same name, with the same bytes."""
    old, new = ({info.filename: info for info in archive.infolist()} for archive in (one, other))
    same = [name for name in old if name in new and _content(old[name]) == _content(new[name])]
    found: dict[str, Any] = {}
    for word, read in _WORDS.items():
        pairs = ((name, read(old[name]), read(new[name])) for name in same)
        found[word] = [{"member": name, "before": x, "after": y} for name, x, y in pairs if x != y]
    if [name for name in old if name in new] != [name for name in new if name in old]:
        found["order"] = True
    return {word: value for word, value in found.items() if value}


_WORDS: Final[Mapping[str, Callable[[zipfile.ZipInfo], object]]] = {
    "mode": lambda info: f"{info.external_attr >> 16:o}",
    "date": lambda info: "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time),
    "compression": lambda info: _METHODS.get(info.compress_type, str(info.compress_type)),
    "packed": lambda info: info.compress_size,
}
"""What an archive says of a member, by word; `packed` (bytes) differs where another zlib was at work."""
