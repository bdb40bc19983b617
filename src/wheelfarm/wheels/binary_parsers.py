"""Reads ELF, Mach-O and PE binaries with lief, whose import costs more than most of this package does."""

from __future__ import annotations

import hashlib
import re
import struct
import warnings
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Final

import lief

from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas import marks
from wheelfarm.wheels.elf_symbols import defined_functions, needed_versions, newest_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# What matters of its messages is in the result.
lief.logging.disable()
warnings.filterwarnings("ignore", message=".* is not a valid ", category=RuntimeWarning)

_SOURCE: Final = rb"\.(?:c|cc|cpp|cxx|h|hh|hpp|hxx|m|mm|f|f90|F90|pyx|rs|go)"
# Each begins with a character that is searched for fast. Paths of the system and of Rust's own library are
# the same on every machine.
_SOURCE_PATHS: Final = (
    re.compile(
        rb"/(?<![\w./+$-]/)(?!usr/|opt/rh/|rustc?/)(?:[\w.+@~-]{1,255}/){1,40}[\w.+-]{1,255}"
        + _SOURCE
        + rb"(?![\w/])"
    ),
    re.compile(
        rb":\\(?<=[A-Za-z]:\\)(?:[\w.+@~ -]{1,255}[\\/]){1,40}[\w.+-]{1,255}" + _SOURCE + rb"(?![\w\\])"
    ),
)
_MOST_PATHS: Final = 3
_DEBUG: Final = (".debug_", ".zdebug_")
_ELF_MACHINES: Final = {
    lief.ELF.ARCH.I386: "i686",
    lief.ELF.ARCH.ARM: "armv7l",
    lief.ELF.ARCH.PPC64: "ppc64le",
    lief.ELF.ARCH.RISCV: "riscv64",
    lief.ELF.ARCH.S390: "s390x",
    lief.ELF.ARCH.LOONGARCH: "loongarch64",
}
_STACK_BY_DEFAULT: Final = (lief.ELF.ARCH.I386, lief.ELF.ARCH.X86_64, lief.ELF.ARCH.ARM, lief.ELF.ARCH.S390)
"""Where a file that does not say how its stack is has an executable one (glibc, sysdeps/*/stackinfo.h)."""
_Characteristic = lief.PE.Section.CHARACTERISTICS
_PE_HARDENING: Final = {
    lief.PE.OptionalHeader.DLL_CHARACTERISTICS.DYNAMIC_BASE: "aslr",
    lief.PE.OptionalHeader.DLL_CHARACTERISTICS.NX_COMPAT: "nx",
    lief.PE.OptionalHeader.DLL_CHARACTERISTICS.GUARD_CF: "cfg",
}
_PE_MACHINES: Final = {lief.PE.Header.MACHINE_TYPES.I386: "win32"}

_Tag = lief.ELF.DynamicEntry.TAG
# Values of DT_FLAGS and DT_FLAGS_1 (elf.h).
_TEXTREL: Final = 0x4
_BIND_NOW: Final = 0x8
_NOW: Final = 0x1
# Properties of x86 and their bits (elf.h: GNU_PROPERTY_X86_*).
_FEATURES: Final = 0xC0000002
_IBT: Final = 0x1
_SHSTK: Final = 0x2
_NEEDED: Final = 0xC0008002
_LEVELS: Final = {2: "x86-64-v2", 3: "x86-64-v3", 4: "x86-64-v4"}
"""By the number of the highest bit: the first is the baseline's."""
_NOTE_HEAD: Final = 16
_WORD: Final = 4
_CONTENT: Final = frozenset({".text", ".rodata", ".data", "__text", "__const", "__cstring"})
_FORTIFIED: Final = re.compile(r"__(?!stack_chk)\w+_chk")
_WRITE_AND_EXECUTE: Final = 0x2 | 0x4
"""VM_PROT_WRITE and VM_PROT_EXECUTE (mach/vm_prot.h)."""

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
    # lief makes an object of each symbol: half of the time.
    config.parse_symtab_symbols = False
    # As a stream: bytes take half as long again.
    parsed = lief.ELF.parse(BytesIO(data), config)
    if parsed is None or not _is_whole(parsed.header, len(data)):
        return []
    sections = [str(section.name) for section in parsed.sections]
    exported = frozenset(str(symbol.name) for symbol in parsed.dynamic_symbols if symbol.shndx)
    soname = parsed.get(lief.ELF.DynamicEntry.TAG.SONAME)
    undefined = frozenset(str(symbol.name) for symbol in parsed.dynamic_symbols if not symbol.shndx) - {""}
    versions = needed_versions(parsed)
    stack = parsed.get(lief.ELF.Segment.TYPE.GNU_STACK)
    relocatable = parsed.header.file_type is lief.ELF.Header.FILE_TYPE.REL
    properties = _gnu_properties(parsed)
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
            hidden=defined_functions(parsed) - exported,
            undefined=undefined,
            glibc=newest_needed(versions, "GLIBC_"),
            libstdcxx=newest_needed(versions, "GLIBCXX_"),
            versions=tuple(versions.items()),
            # What is linked into others needs its symbols, and the stack is theirs.
            stripped=relocatable or ".symtab" not in sections,
            has_debug=any(name.startswith(_DEBUG) for name in sections),
            executable_stack=stack.has(lief.ELF.Segment.FLAGS.X)
            if isinstance(stack, lief.ELF.Segment)
            else parsed.header.machine_type in _STACK_BY_DEFAULT and not relocatable,
            writable_code=any(
                segment.has(lief.ELF.Segment.FLAGS.W) and segment.has(lief.ELF.Segment.FLAGS.X)
                for segment in parsed.segments
                if segment.type is lief.ELF.Segment.TYPE.LOAD
            ),
            text_relocations=_has_flag(parsed, _Tag.FLAGS, _TEXTREL) or parsed.has(_Tag.TEXTREL),
            hardening=_elf_hardening(parsed, undefined, properties.get(_FEATURES, 0)),
            content=_content(parsed.sections),
            level=_LEVELS.get(properties.get(_NEEDED, 0).bit_length(), ""),
            source_paths=source_paths(data),
            marks=marks(data),
        )
    ]


def _has_flag(parsed: lief.ELF.Binary, tag: lief.ELF.DynamicEntry.TAG, flag: int) -> bool:
    entry = parsed.get(tag)
    return isinstance(entry, lief.ELF.DynamicEntry) and bool(entry.value & flag)


def _content(sections: Iterable[lief.Section]) -> str:
    """The sha256 of the sections of code and constants; empty when there is none, or all are."""
    digest, found = hashlib.sha256(), False
    for section in sections:
        if section.name in _CONTENT and section.content:
            digest.update(section.content)
            found = True
    return digest.hexdigest() if found else ""


def _present(found: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(name for name, there in found.items() if there)


def _gnu_properties(parsed: lief.ELF.Binary) -> dict[int, int]:
    """The bits of the x86 properties in .note.gnu.property (Linux extensions to the gABI)."""
    section = parsed.get_section(".note.gnu.property")
    if section is None or parsed.header.machine_type is not lief.ELF.ARCH.X86_64:
        return {}
    data, found, at = bytes(section.content), {}, _NOTE_HEAD
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if size == _WORD:
            found[kind] = struct.unpack_from("<I", data, at + 8)[0]
        at += 8 + -(-size // 8) * 8
    return found


def _elf_hardening(parsed: lief.ELF.Binary, undefined: frozenset[str], features: int) -> frozenset[str]:
    bind_now = (
        parsed.has(_Tag.BIND_NOW)
        or _has_flag(parsed, _Tag.FLAGS, _BIND_NOW)
        or _has_flag(parsed, _Tag.FLAGS_1, _NOW)
    )
    found = {
        "relro": parsed.has(lief.ELF.Segment.TYPE.GNU_RELRO),
        "bind-now": bind_now,
        "ibt": bool(features & _IBT),
        "shstk": bool(features & _SHSTK),
    }
    return _present(found) | _library_hardening(undefined)


def _library_hardening(undefined: frozenset[str]) -> frozenset[str]:
    """What the C library does for a binary, by the functions that it calls."""
    found = {
        "stack-protector": not undefined.isdisjoint({"__stack_chk_fail", "__stack_chk_fail_local"}),
        "fortify": any(_FORTIFIED.fullmatch(name) for name in undefined),
    }
    return _present(found)


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
    texts, paths = marks(data), source_paths(data)
    found = [] if slices is None else [_read_slice(parsed, member, texts) for parsed in slices]
    return [replace(binary, source_paths=paths) for binary in found]


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
        executable_stack=parsed.header.has(lief.MachO.Header.FLAGS.ALLOW_STACK_EXECUTION),
        writable_code=any(
            segment.init_protection & _WRITE_AND_EXECUTE == _WRITE_AND_EXECUTE for segment in parsed.segments
        ),
        hardening=_library_hardening(frozenset(undefined)),
        content=_content(parsed.sections),
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
            writable_code=any(
                section.has_characteristic(_Characteristic.MEM_WRITE)
                and section.has_characteristic(_Characteristic.MEM_EXECUTE)
                for section in parsed.sections
            ),
            hardening=_present(
                {name: parsed.optional_header.has(flag) for flag, name in _PE_HARDENING.items()}
            ),
            content=_content(parsed.sections),
            source_paths=source_paths(data),
            marks=marks(data),
        )
    ]


def source_paths(data: bytes) -> tuple[str, ...]:
    """Absolute paths of source files in a binary, which __FILE__ and debug information put there."""
    found = sorted({path for pattern in _SOURCE_PATHS for path in pattern.findall(data)})[:_MOST_PATHS]
    return tuple(path.decode("ascii", "replace").removeprefix(":") for path in found)


def section_name(section: lief.PE.Section) -> str:
    """A section's name; those over eight characters stand in the table of strings."""
    long = section.coff_string
    return str(section.name if long is None else long.string)


READERS: Final[Mapping[BinaryFormat, Callable[[bytes, str], list[Binary]]]] = {
    BinaryFormat.ELF: read_elf,
    BinaryFormat.MACHO: read_macho,
    BinaryFormat.PE: read_pe,
}
