"""Reads ELF, Mach-O and PE binaries with lief, whose import costs more than most of this package does."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Final

import lief

from wheelfarm.wheels.binary import Binary, BinaryFormat, newest_version
from wheelfarm.wheels.blas import marks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# What matters of its messages is in the result.
lief.logging.disable()
warnings.filterwarnings("ignore", message=".* is not a valid ", category=RuntimeWarning)

_GLIBC: Final = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")
_DEBUG: Final = (".debug_", ".zdebug_")
_ELF_MACHINES: Final = {
    lief.ELF.ARCH.I386: "i686",
    lief.ELF.ARCH.ARM: "armv7l",
    lief.ELF.ARCH.PPC64: "ppc64le",
    lief.ELF.ARCH.RISCV: "riscv64",
    lief.ELF.ARCH.S390: "s390x",
    lief.ELF.ARCH.LOONGARCH: "loongarch64",
}
_PE_MACHINES: Final = {lief.PE.Header.MACHINE_TYPES.I386: "win32"}

# The type byte of a Mach-O symbol (mach-o/nlist.h).
_STAB: Final = 0xE0
_PRIVATE_EXTERNAL: Final = 0x10
_TYPE: Final = 0x0E
_EXTERNAL: Final = 0x01
_ID: Final = lief.MachO.LoadCommand.TYPE.ID_DYLIB


def read_elf(data: bytes, member: str) -> list[Binary]:
    """Read an ELF file, without its relocations and notes; an empty list when it is not sound."""
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_notes = config.parse_overlay = False
    parsed = lief.ELF.parse(data, config)
    if parsed is None or not _is_whole(parsed.header, len(data)):
        return []
    sections = [str(section.name) for section in parsed.sections]
    exported = frozenset(str(symbol.name) for symbol in parsed.dynamic_symbols if symbol.shndx)
    soname = parsed.get(lief.ELF.DynamicEntry.TAG.SONAME)
    functions = (symbol for symbol in parsed.symtab_symbols if symbol.shndx and symbol.is_function)
    return [
        Binary(
            member=member,
            format=BinaryFormat.ELF,
            machine=_ELF_MACHINES.get(parsed.header.machine_type, parsed.header.machine_type.name.lower()),
            needed=tuple(str(name) for name in parsed.libraries),
            soname=str(soname.name) if isinstance(soname, lief.ELF.DynamicSharedObject) else "",
            rpaths=tuple(
                path
                for entry in parsed.dynamic_entries
                if isinstance(entry, lief.ELF.DynamicEntryRpath | lief.ELF.DynamicEntryRunPath)
                for path in entry.paths
            ),
            exported=exported,
            hidden=frozenset(str(symbol.name) for symbol in functions) - exported,
            undefined=frozenset(str(symbol.name) for symbol in parsed.dynamic_symbols if not symbol.shndx)
            - {""},
            glibc=newest_version(
                match[1]  # private versions have no number
                for requirement in parsed.symbols_version_requirement
                for version in requirement.get_auxiliary_symbols()
                if (match := _GLIBC.fullmatch(str(version.name)))
            ),
            stripped=".symtab" not in sections,
            has_debug=any(name.startswith(_DEBUG) for name in sections),
            marks=marks(data),
        )
    ]


def _is_whole(header: lief.ELF.Header, size: int) -> bool:
    """Whether the tables of segments and sections are inside the file; lief passes over what is not."""
    segments = header.program_header_offset + header.numberof_segments * header.program_header_size
    sections = header.section_header_offset + header.numberof_sections * header.section_header_size
    return header.file_type is not lief.ELF.Header.FILE_TYPE.NONE and max(segments, sections) <= size


def read_macho(data: bytes, member: str) -> list[Binary]:
    """Read a Mach-O file, a value for each slice; an empty list when it cannot be parsed."""
    config = lief.MachO.ParserConfig()
    config.parse_dyld_bindings = config.parse_dyld_rebases = False
    slices = lief.MachO.parse(data, config)
    texts = marks(data)
    return [] if slices is None else [_read_slice(parsed, member, texts) for parsed in slices]


def _read_slice(parsed: lief.MachO.Binary, member: str, texts: frozenset[str]) -> Binary:
    exported, hidden, undefined = set(), set(), set()
    debug = any(str(segment.name) == "__DWARF" for segment in parsed.segments)
    for symbol in parsed.symbols:
        # C names have a leading underscore in Mach-O.
        name, kind = str(symbol.name).removeprefix("_"), symbol.raw_type
        if symbol.origin is not lief.MachO.Symbol.ORIGIN.SYMTAB:
            exported.add(name)  # only the loader's own table of exports has it
        elif kind & _STAB:
            debug = True
        elif kind & _TYPE == 0:
            undefined.add(name)
        elif kind & _EXTERNAL and not kind & _PRIVATE_EXTERNAL:
            exported.add(name)
        else:
            hidden.add(name)
    minimum = (
        parsed.build_version.minos
        if parsed.build_version is not None
        else parsed.version_min.version
        if parsed.version_min is not None
        else ()
    )
    return Binary(
        member=member,
        format=BinaryFormat.MACHO,
        machine=parsed.header.cpu_type.name.lower(),
        needed=tuple(str(library.name) for library in parsed.libraries if library.command != _ID),
        soname=next((str(library.name) for library in parsed.libraries if library.command == _ID), ""),
        rpaths=tuple(str(command.path) for command in parsed.rpaths),
        exported=frozenset(exported),
        hidden=frozenset(hidden),
        undefined=frozenset(undefined),
        macos=".".join(map(str, minimum[:2])),
        stripped=not hidden,
        has_debug=debug,
        marks=texts,
    )


def read_pe(data: bytes, member: str) -> list[Binary]:
    """Read a PE file; an empty list when it cannot be parsed."""
    config = lief.PE.ParserConfig()
    config.parse_reloc = config.parse_rsrc = config.parse_signature = config.parse_exceptions = False
    parsed = lief.PE.parse(data, config)
    if parsed is None:
        return []
    imports = [*parsed.imports, *parsed.delay_imports]
    export = parsed.get_export()
    machine = parsed.header.machine
    return [
        Binary(
            member=member,
            format=BinaryFormat.PE,
            machine=_PE_MACHINES.get(machine, machine.name.lower()),
            needed=tuple(str(library.name) for library in imports),
            soname="" if export is None else str(export.name),
            exported=frozenset() if export is None else frozenset(str(each.name) for each in export.entries),
            undefined=frozenset(
                str(entry.name) for library in imports for entry in library.entries if not entry.is_ordinal
            ),
            # Linkers of GNU and LLVM can leave COFF symbols and DWARF inside; MSVC writes a separate PDB.
            stripped=parsed.header.numberof_symbols == 0,
            has_debug=any(section_name(section).startswith(".debug_") for section in parsed.sections),
            marks=marks(data),
        )
    ]


def section_name(section: lief.PE.Section) -> str:
    """A section's name; those over eight characters stand in the table of strings."""
    long = section.coff_string
    return str(section.name if long is None else long.string)


READERS: Final[Mapping[BinaryFormat, Callable[[bytes, str], list[Binary]]]] = {
    BinaryFormat.ELF: read_elf,
    BinaryFormat.MACHO: read_macho,
    BinaryFormat.PE: read_pe,
}
