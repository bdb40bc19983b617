"""Reads Mach-O binaries: macOS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas_evidence import marks
from wheelfarm.wheels.parser import lief

if TYPE_CHECKING:
    from collections.abc import Iterator

# The type byte of a symbol (mach-o/nlist.h).
_STAB: Final = 0xE0
_PRIVATE_EXTERNAL: Final = 0x10
_TYPE: Final = 0x0E
_EXTERNAL: Final = 0x01

_ID: Final = lief.MachO.LoadCommand.TYPE.ID_DYLIB


def read(data: bytes, member: str) -> list[Binary]:
    """The binary, a value for each slice; an empty list when it cannot be parsed."""
    config = lief.MachO.ParserConfig()
    config.parse_dyld_bindings = config.parse_dyld_rebases = False
    slices = lief.MachO.parse(data, config)
    if slices is None:
        return []
    found = marks(data)
    return [_slice(parsed, member, found) for parsed in slices]


def _slice(parsed: lief.MachO.Binary, member: str, found: frozenset[str]) -> Binary:
    exported, hidden, undefined = set(), set(), set()
    debug = False
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
        macos=".".join(map(str, _minimum(parsed))),
        stripped=not hidden,
        has_debug=debug or any(str(segment.name) == "__DWARF" for segment in parsed.segments),
        marks=found,
    )


def _minimum(parsed: lief.MachO.Binary) -> Iterator[int]:
    """The deployment target without its patch number; nothing when none is stated."""
    if parsed.build_version is not None:
        yield from parsed.build_version.minos[:2]
    elif parsed.version_min is not None:
        yield from parsed.version_min.version[:2]
