"""The parts of a native binary, and where two binaries differ: by section, with the usual cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import lief

from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.member_comparison import first_difference, text_around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

lief.logging.disable()

OUTSIDE: Final = "(headers and gaps)"
"""What belongs to no section: headers, tables of sections, padding, what a repair tool has put in."""
_Range = tuple[str, int, int]
"""Name, offset in the file, and size in bytes."""

_FOLLOWS: Final = "a digest of the rest: it follows"
_SYMBOLS: Final = "names or order of symbols"
_DEBUG: Final = "debug information: paths, order of files"
_USUAL: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        (r"\.note\.gnu\.build-id", _FOLLOWS),
        (r"\.gnu_debuglink", "name and checksum of the debug file"),
        (r"\.comment", "another compiler, or another version"),
        (r"\.z?debug_.*|__DWARF,.*", _DEBUG),
        (r"\.(symtab|strtab|dynsym|dynstr|gnu\.hash|hash|gnu\.version.*)|__LINKEDIT", _SYMBOLS),
        (r"\.(rela|rel)\..*|\.reloc", "relocations: addresses that have moved"),
        (r"\.(interp|dynamic)", "needed libraries, search paths (RPATH)"),
        (r"\.rsrc", "resources: manifest and version"),
        (r"\.edata|\.pdata|\.eh_frame.*|\.gcc_except_table|__TEXT,__(unwind_info|eh_frame)", "addresses"),
        (r"\.text.*|\.plt.*|\.init.*|\.fini.*|__TEXT,__text", "code: compiler, its options or its input"),
    )
)
_HEADERS: Final[Mapping[BinaryFormat, str]] = {
    BinaryFormat.ELF: "offsets, or what patchelf has written",
    BinaryFormat.MACHO: "UUID or offsets in the load commands",
    BinaryFormat.PE: "time of the link, or the checksum",
}
_PATH: Final = re.compile(r"(?:^|[^\w])(?:[A-Za-z]:)?(?:\.{0,2}[/\\][\w.+-]+){2,}")
_TIME: Final = re.compile(
    r"\b\d{1,2}:\d{2}:\d{2}\b|\b20\d{2}-\d{2}-\d{2}\b|\b[A-Z][a-z]{2} [ \d]\d 20\d{2}\b"
)
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:\\\w")


def differing_sections(before: bytes, after: bytes, kind: BinaryFormat) -> list[dict[str, Any]] | None:
    """Where two binaries of one format differ, in the order of the sections in the file.

    Args:
        before: the bytes of one.
        after: the bytes of the other.
        kind: the format of both.

    Returns:
        For each section that differs its name, its size in both in bytes (None where there is none), the
        first offset in it at which they differ, the text there in both where it is one, and the usual cause.
        None when one of the two cannot be read.
    """
    old, new = parts(before, kind), parts(after, kind)
    if old is None or new is None:
        return None
    found = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        if one != other:
            found.append(_difference(name, one, other, kind))
    return found


def parts(data: bytes, kind: BinaryFormat) -> dict[str, bytes] | None:
    """The sections by name, and what is outside of all; None when the binary cannot be read.

    Of several sections with one name, all but the first have a number behind it.
    """
    try:
        ranges = _READERS[kind](data)
    except (SystemError, ValueError):
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
    return {OUTSIDE: _outside(data, ranges)} | found


def _outside(data: bytes, ranges: list[_Range]) -> bytes:
    pieces, end = [], 0
    for _, offset, size in sorted(ranges, key=lambda each: each[1:]):
        pieces.append(data[end : max(offset, end)])
        end = max(end, offset + size)
    return b"".join([*pieces, data[end:]])


def _difference(name: str, one: bytes | None, other: bytes | None, kind: BinaryFormat) -> dict[str, Any]:
    found: dict[str, Any] = {
        "section": name,
        "before": None if one is None else len(one),
        "after": None if other is None else len(other),
    }
    if one is None or other is None:
        return found | {"cause": "only one of the two has it"}
    at = first_difference(one, other)
    found["offset"] = at
    texts = text_around(one, at), text_around(other, at)
    if texts[0] and texts[1]:
        found["text"] = {"before": texts[0], "after": texts[1]}
    cause = _cause(name, texts, kind)
    return found | ({"cause": cause} if cause else {})


def _cause(name: str, texts: tuple[str, str], kind: BinaryFormat) -> str | None:
    """The usual cause of a difference; what is written there tells more than the section's name."""
    base = name.partition(" #")[0].rpartition(" ")[2] if name != OUTSIDE else name
    if re.fullmatch(_USUAL[0][0], base):
        return _FOLLOWS
    if all(texts):
        if any(_PATH.search(text) or _WINDOWS_PATH.search(text) for text in texts):
            return "a path of the build is written into it"
        if any(_TIME.search(text) for text in texts):
            return "a time is written into it"
    if name == OUTSIDE:
        return _HEADERS[kind]
    return next((cause for pattern, cause in _USUAL if pattern.fullmatch(base)), None)


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
        name = str(segment.name)
        if segment.numberof_sections == 0 and segment.file_size:
            yield f"{prefix}{name}", start + segment.file_offset, segment.file_size
        for section in segment.sections:
            if section.offset:
                yield f"{prefix}{name},{section.name!s}", start + section.offset, section.size


def _pe(data: bytes) -> list[_Range] | None:
    config = lief.PE.ParserConfig()
    config.parse_reloc = config.parse_rsrc = config.parse_signature = config.parse_exceptions = False
    config.parse_imports = config.parse_exports = False
    parsed = lief.PE.parse(data, config)
    if parsed is None:
        return None
    found = []
    for section in parsed.sections:
        long = section.coff_string
        name = str(section.name if long is None else long.string)
        found.append((name, section.pointerto_raw_data, section.sizeof_raw_data))
    return [each for each in found if each[2]]


_READERS: Final[Mapping[BinaryFormat, Callable[[bytes], list[_Range] | None]]] = {
    BinaryFormat.ELF: _elf,
    BinaryFormat.MACHO: _macho,
    BinaryFormat.PE: _pe,
}
