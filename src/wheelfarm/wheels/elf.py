"""Reads ELF binaries: Linux."""

from __future__ import annotations

import re
from typing import Final

from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas_evidence import marks
from wheelfarm.wheels.parser import lief

_GLIBC: Final = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")
_DEBUG: Final = (".debug_", ".zdebug_")
_MACHINES: Final = {
    lief.ELF.ARCH.I386: "i686",
    lief.ELF.ARCH.ARM: "armv7l",
    lief.ELF.ARCH.PPC64: "ppc64le",
    lief.ELF.ARCH.RISCV: "riscv64",
    lief.ELF.ARCH.S390: "s390x",
    lief.ELF.ARCH.LOONGARCH: "loongarch64",
}


def parse(data: bytes) -> lief.ELF.Binary | None:
    """A sound file, without its relocations and notes; None when it cannot be parsed."""
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_notes = config.parse_overlay = False
    parsed = lief.ELF.parse(data, config)
    return parsed if parsed is not None and _whole(parsed.header, len(data)) else None


def read(data: bytes, member: str) -> list[Binary]:
    """The binary; an empty list when it cannot be parsed."""
    parsed = parse(data)
    if parsed is None:
        return []
    sections = [str(section.name) for section in parsed.sections]
    exported, undefined = _dynamic(parsed)
    return [
        Binary(
            member=member,
            format=BinaryFormat.ELF,
            machine=_MACHINES.get(parsed.header.machine_type, parsed.header.machine_type.name.lower()),
            needed=tuple(str(name) for name in parsed.libraries),
            soname=_soname(parsed),
            rpaths=_rpaths(parsed),
            exported=exported,
            hidden=frozenset(
                str(symbol.name) for symbol in parsed.symtab_symbols if symbol.shndx and symbol.is_function
            )
            - exported,
            undefined=undefined,
            glibc=_glibc(parsed),
            stripped=".symtab" not in sections,
            has_debug=any(name.startswith(_DEBUG) for name in sections),
            marks=marks(data),
        )
    ]


def _whole(header: lief.ELF.Header, size: int) -> bool:
    """Whether the tables of segments and sections are inside the file; the parser passes over what is not."""
    segments = header.program_header_offset + header.numberof_segments * header.program_header_size
    sections = header.section_header_offset + header.numberof_sections * header.section_header_size
    return header.file_type is not lief.ELF.Header.FILE_TYPE.NONE and max(segments, sections) <= size


def _dynamic(parsed: lief.ELF.Binary) -> tuple[frozenset[str], frozenset[str]]:
    """The exported and the undefined names of the loader's symbol table."""
    exported: set[str] = set()
    undefined: set[str] = set()
    for symbol in parsed.dynamic_symbols:
        (exported if symbol.shndx else undefined).add(str(symbol.name))
    return frozenset(exported), frozenset(undefined - {""})


def _soname(parsed: lief.ELF.Binary) -> str:
    entry = parsed.get(lief.ELF.DynamicEntry.TAG.SONAME)
    return str(entry.name) if isinstance(entry, lief.ELF.DynamicSharedObject) else ""


def _rpaths(parsed: lief.ELF.Binary) -> tuple[str, ...]:
    return tuple(
        path
        for entry in parsed.dynamic_entries
        if isinstance(entry, lief.ELF.DynamicEntryRpath | lief.ELF.DynamicEntryRunPath)
        for path in entry.paths
    )


def _glibc(parsed: lief.ELF.Binary) -> str:
    """The newest GLIBC_x.y among the versions that symbols need; private ones have no number."""
    versions = [
        match[1]
        for requirement in parsed.symbols_version_requirement
        for auxiliary in requirement.get_auxiliary_symbols()
        if (match := _GLIBC.fullmatch(str(auxiliary.name)))
    ]
    return max(versions, key=lambda text: [int(part) for part in text.split(".")], default="")
