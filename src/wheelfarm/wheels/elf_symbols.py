"""The symbols of an ELF file: the functions that it defines, and the versions of other libraries' symbols."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import lief

from wheelfarm.wheels.binary import newest_version

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION: Final = re.compile(r"(?:GLIBC|GLIBCXX|CXXABI)_\d+(?:\.\d+)+")
_RELATIVE_RELOCATIONS: Final = "GLIBC_ABI_DT_RELR"
"""What a linker demands that packs relocations as glibc reads them since 2.36."""
_SHOWN: Final = 3
_WIDE: Final = "IBBHQQ"
_NARROW: Final = "IIIBBH"
"""An entry of .symtab (elf.h: Elf64_Sym, Elf32_Sym)."""
_FUNCTION: Final = 2
_TYPE: Final = 0xF


def needed_versions(parsed: lief.ELF.Binary) -> dict[str, tuple[str, ...]]:
    """The versions of glibc and libstdc++ that the loader must find, each with symbols that need it."""
    symbols = defaultdict[str, list[str]](list)
    for symbol in parsed.dynamic_symbols:
        version = None if symbol.shndx else symbol.symbol_version
        if version is not None and (auxiliary := version.symbol_version_auxiliary) is not None:
            symbols[str(auxiliary.name)].append(str(symbol.name))
    names = {
        "GLIBC_2.36" if (name := str(version.name)) == _RELATIVE_RELOCATIONS else name: name
        for requirement in parsed.symbols_version_requirement
        for version in requirement.get_auxiliary_symbols()
    }
    # Private versions have no number.
    return {
        each: tuple(sorted(symbols[name])[:_SHOWN])
        for each, name in names.items()
        if _VERSION.fullmatch(each)
    }


def newest_needed(versions: Iterable[str], prefix: str) -> str:
    """The highest number of the versions with a prefix, such as GLIBC_; empty when there is none."""
    return newest_version(name.removeprefix(prefix) for name in versions if name.startswith(prefix))


def defined_functions(parsed: lief.ELF.Binary) -> frozenset[str]:
    """The functions in .symtab, which a stripped file has not."""
    table = parsed.get_section(".symtab")
    if table is None or table.link >= len(parsed.sections):
        return frozenset()
    texts = bytes(parsed.sections[table.link].content)
    wide = parsed.header.identity_class is lief.ELF.Header.CLASS.ELF64
    little = parsed.header.identity_data is lief.ELF.Header.ELF_DATA.LSB
    entry = struct.Struct(("<" if little else ">") + (_WIDE if wide else _NARROW))
    data = bytes(table.content)
    found = set()
    for fields in entry.iter_unpack(data[: len(data) // entry.size * entry.size]):
        kind, section = (fields[1], fields[3]) if wide else (fields[3], fields[5])
        if section and kind & _TYPE == _FUNCTION:
            found.add(texts[fields[0] : texts.find(b"\0", fields[0])])
    return frozenset(name.decode(errors="replace") for name in found)
