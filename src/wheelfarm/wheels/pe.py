"""Reads PE binaries: Windows."""

from __future__ import annotations

from typing import Final

from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.blas_evidence import marks
from wheelfarm.wheels.parser import lief

_MACHINES: Final = {lief.PE.Header.MACHINE_TYPES.I386: "win32"}


def read(data: bytes, member: str) -> list[Binary]:
    """The binary; an empty list when it cannot be parsed."""
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
            machine=_MACHINES.get(machine, machine.name.lower()),
            needed=tuple(str(library.name) for library in imports),
            soname="" if export is None else str(export.name),
            exported=frozenset()
            if export is None
            else frozenset(str(entry.name) for entry in export.entries),
            undefined=frozenset(
                str(entry.name) for library in imports for entry in library.entries if not entry.is_ordinal
            ),
            # Linkers of GNU and LLVM can leave COFF symbols and DWARF inside; MSVC writes a separate PDB.
            stripped=parsed.header.numberof_symbols == 0,
            has_debug=any(_section(section).startswith(".debug_") for section in parsed.sections),
            marks=marks(data),
        )
    ]


def _section(section: lief.PE.Section) -> str:
    """A section's name; those over eight characters stand in the table of strings."""
    long = section.coff_string
    return str(section.name if long is None else long.string)
