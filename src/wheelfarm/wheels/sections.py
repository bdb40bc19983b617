"""Compares two native binaries section by section, with the usual cause of each difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import lief

from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.binary_parsers import section_name
from wheelfarm.wheels.comparison import first_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OUTSIDE: Final = "(headers and gaps)"
"""The bytes in no section: headers, tables of sections, padding, what a repair tool has put in."""
_Range = tuple[str, int, int]
"""Name, offset in the file, and size in bytes."""

_CAUSES: Final[Mapping[str, str]] = {
    r"\.note\.gnu\.build-id|\.gnu_debuglink": "a digest of the rest: it follows",
    r"\.comment": "another compiler, or another version",
    r"\.z?debug_.*|__DWARF,.*": "debug information: paths, order of files",
    r"\.(symtab|strtab|dynsym|dynstr|gnu\.hash|hash|gnu\.version.*)|__LINKEDIT": "names or order of symbols",
    r"\.(rela?\..*|reloc|edata|pdata|eh_frame.*|gcc_except_table)|.*,__(unwind_info|eh_frame)": "addresses",
    r"\.(interp|dynamic)": "needed libraries, search paths (RPATH)",
    r"\.text.*|\.plt.*|\.init.*|\.fini.*|__TEXT,__text": "code: compiler, its options or its input",
}
_HEADERS: Final[Mapping[BinaryFormat, str]] = {
    BinaryFormat.ELF: "offsets, or what patchelf has written",
    BinaryFormat.MACHO: "UUID or offsets in the load commands",
    BinaryFormat.PE: "time of the link, or the checksum",
}
_PATH: Final = re.compile(r"(?:^|[^\w])(?:[A-Za-z]:)?(?:\.{0,2}[/\\][\w.+-]+){2,}|[A-Za-z]:\\\w")
_TIME: Final = re.compile(
    r"\b\d{1,2}:\d{2}:\d{2}\b|\b20\d{2}-\d{2}-\d{2}\b|\b[A-Z][a-z]{2} [ \d]\d 20\d{2}\b"
)
_TEXT: Final = re.compile(rb"[\x20-\x7e]{6,}")
_REACH: Final = 120
"""How far a text is followed in each direction, in bytes."""


def differing_sections(before: bytes, after: bytes, kind: BinaryFormat) -> list[dict[str, Any]] | None:
    """Where two binaries of one format differ, in the order of the sections in the file.

    Each section that differs has its name, its size in both in bytes (None where there is none), the first
    offset in it at which they differ, the text there in both where it is one, and the usual cause. The result
    is None when one of the two cannot be read.
    """
    old, new = parts(before, kind), parts(after, kind)
    if old is None or new is None:
        return None
    names = dict.fromkeys((*old, *new))
    return [
        _difference(name, old.get(name), new.get(name), kind)
        for name in names
        if old.get(name) != new.get(name)
    ]


def parts(data: bytes, kind: BinaryFormat) -> dict[str, bytes] | None:
    """The sections by name, and the bytes outside of all; None when the binary cannot be read.

    Of several sections with one name, all but the first have a number behind it.
    """
    try:
        ranges = _READERS[kind](data)
    except Exception:  # noqa: BLE001
        # The parser's answer to a number that none of its enumerations has, or to a name that is no text.
        return None
    if not ranges or any(offset + size > len(data) for _, offset, size in ranges):
        return None
    found: dict[str, bytes] = {}
    for name, offset, size in ranges:
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name} #{number}"
        found[unique] = data[offset : offset + size]
    gaps, end = [], 0
    for _, offset, size in sorted(ranges, key=lambda each: each[1:]):
        gaps.append(data[end : max(offset, end)])
        end = max(end, offset + size)
    return {OUTSIDE: b"".join([*gaps, data[end:]])} | found


def _difference(name: str, one: bytes | None, other: bytes | None, kind: BinaryFormat) -> dict[str, Any]:
    found: dict[str, Any] = {
        "section": name,
        "before": None if one is None else len(one),
        "after": None if other is None else len(other),
    }
    if one is None or other is None:
        return found | {"cause": "only one of the two has it"}
    at = found["offset"] = first_difference(one, other)
    texts = text_around(one, at), text_around(other, at)
    if all(texts):
        found["text"] = {"before": texts[0], "after": texts[1]}
    cause = _cause(name, texts, kind)
    return found | ({"cause": cause} if cause else {})


def text_around(data: bytes, at: int) -> str:
    """The printable text (ASCII) that an offset is in or just behind; empty where it is in none."""
    start = max(0, at - _REACH)
    for match in _TEXT.finditer(data, start, min(len(data), at + _REACH)):
        if match.start() <= at <= match.end():
            return match[0].decode("ascii")
    return ""


def _cause(name: str, texts: tuple[str, str], kind: BinaryFormat) -> str | None:
    """The usual cause of a difference; the text there says more than the section's name."""
    # Without the number of a section and the architecture of a slice.
    base = name if name == OUTSIDE else name.partition(" #")[0].rpartition(" ")[2]
    if all(texts) and any(map(_PATH.search, texts)):
        return "a path of the build is written into it"
    if all(texts) and any(map(_TIME.search, texts)):
        return "a time is written into it"
    if name == OUTSIDE:
        return _HEADERS[kind]
    return next((cause for pattern, cause in _CAUSES.items() if re.fullmatch(pattern, base)), None)


def _elf(data: bytes) -> list[_Range] | None:
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_notes = config.parse_overlay = False
    config.parse_dyn_symbols = config.parse_symtab_symbols = config.parse_symbol_versions = False
    parsed = lief.ELF.parse(data, config)
    if parsed is None or parsed.header.file_type is lief.ELF.Header.FILE_TYPE.NONE:
        return None
    if parsed.header.numberof_sections != len(parsed.sections):
        return None
    return [
        (str(section.name), section.offset, section.size)
        for section in parsed.sections
        if section.type is not lief.ELF.Section.TYPE.NOBITS and section.size
    ]


def _macho(data: bytes) -> list[_Range] | None:
    slices = lief.MachO.parse(data, lief.MachO.ParserConfig.quick)
    if slices is None:
        return None
    return [each for parsed in slices for each in _slice(parsed, several=slices.size > 1)]


def _slice(parsed: lief.MachO.Binary, *, several: bool) -> Iterator[_Range]:
    """The sections of a slice, and its segments without sections: symbols and signature are in one."""
    prefix = f"{parsed.header.cpu_type.name.lower()} " if several else ""
    start = parsed.fat_offset
    for segment in parsed.segments:
        name = f"{prefix}{segment.name!s}"
        if segment.numberof_sections == 0 and segment.file_size:
            yield name, start + segment.file_offset, segment.file_size
        for section in segment.sections:
            if section.offset:
                yield f"{name},{section.name!s}", start + section.offset, section.size


def _pe(data: bytes) -> list[_Range] | None:
    config = lief.PE.ParserConfig()
    config.parse_reloc = config.parse_rsrc = config.parse_signature = config.parse_exceptions = False
    config.parse_imports = config.parse_exports = False
    parsed = lief.PE.parse(data, config)
    if parsed is None:
        return None
    return [
        (section_name(section), section.pointerto_raw_data, section.sizeof_raw_data)
        for section in parsed.sections
        if section.sizeof_raw_data
    ]


_READERS: Final[Mapping[BinaryFormat, Callable[[bytes], list[_Range] | None]]] = {
    BinaryFormat.ELF: _elf,
    BinaryFormat.MACHO: _macho,
    BinaryFormat.PE: _pe,
}
