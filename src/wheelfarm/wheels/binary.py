"""A native binary as a frozen value, the same for ELF, Mach-O and PE."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# PEP 3121, PEP 489 for names beyond ASCII, and PEP 793.
_INITIALISERS: Final = ("PyInit_", "PyInitU_", "PyModExport_")
# The repair tools write libyaml-0-2-a1b2c3d4.so.0.2.5, libyaml.2.dylib, yaml-a1b2c3d4.dll.
_STEM: Final = re.compile(r"[A-Za-z0-9_+]+?(?=-[0-9a-f]{8}\b|[.-]\d|\.(?:so|dylib|dll)\b)")


class BinaryFormat(StrEnum):
    """The formats of Linux, macOS and Windows."""

    ELF = "elf"
    MACHO = "macho"
    PE = "pe"


@dataclass(frozen=True, kw_only=True)
class Binary:
    """A shared library, extension or program in a wheel, or one architecture's slice of it.

    Symbols are named as in C: Mach-O's leading underscore is gone.
    """

    member: str
    format: BinaryFormat
    machine: str
    """As the platform's tags name it: x86_64, aarch64 (ELF), arm64 (Mach-O, PE), amd64 (PE)."""
    needed: tuple[str, ...] = ()
    """DT_NEEDED, the paths of LC_LOAD_DYLIB, or the imported and delay-imported DLLs."""
    soname: str = ""
    """DT_SONAME, the install name, or the name in the export table; empty when there is none."""
    rpaths: tuple[str, ...] = ()
    """The entries of DT_RPATH, DT_RUNPATH or LC_RPATH."""
    exported: frozenset[str] = field(default=frozenset(), repr=False)
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """Defined and still in the symbol table, but not exported."""
    undefined: frozenset[str] = field(default=frozenset(), repr=False)
    """What other libraries must define; for PE, what it imports by name."""
    glibc: str = ""
    """The newest version of glibc that a symbol needs, such as 2.28; empty when none does."""
    libstdcxx: str = ""
    """The newest version of libstdc++ (GLIBCXX) that a symbol needs, such as 3.4.29."""
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The versions of glibc and libstdc++ that the loader must find, as GLIBC_2.34, each with symbols."""
    macos: str = ""
    """The oldest macOS that it says it runs on, such as 14.0; empty in other formats."""
    stripped: bool = False
    """There is no symbol table beside the one that the loader needs."""
    has_debug: bool = False
    content: str = ""
    """A digest of its code and its constants, which a repair tool does not change."""
    level: str = ""
    """The instruction-set level that it says it needs, such as x86-64-v3; most linkers write none."""
    executable_stack: bool = False
    """The loader has to make the stack executable; glibc 2.41 refuses to."""
    writable_code: bool = False
    """A part of it is in memory writable and executable at once."""
    text_relocations: bool = False
    """The loader has to write into its code (DT_TEXTREL)."""
    hardening: frozenset[str] = frozenset()
    """What protects it: relro, bind-now, stack-protector, fortify, ibt, shstk; aslr, nx and cfg for PE."""
    source_paths: tuple[str, ...] = field(default=(), repr=False)
    """Files of the machine that built it which its texts name, in order; the first few."""
    marks: frozenset[str] = field(default=frozenset(), repr=False)
    """Texts in its data that show BLAS inside; see `blas.marks`."""
    numpy_api: str = ""
    """The version of NumPy's C API that it asks for; see `numpy_api`."""

    @property
    def extension(self) -> bool:
        """Whether CPython can import it: it exports the initialiser of a module."""
        return any(name.startswith(_INITIALISERS) for name in self.exported)

    @property
    def names(self) -> frozenset[str]:
        """The names under which others can need it, as `library_name` writes them."""
        return frozenset(library_name(name, self.format) for name in (self.soname, self.member) if name)

    @property
    def needs(self) -> frozenset[str]:
        """The needed libraries, as `library_name` writes them."""
        return frozenset(library_name(name, self.format) for name in self.needed)


def library_name(name: str, binary_format: BinaryFormat) -> str:
    """A library's file name without directories; Windows does not distinguish capitals."""
    file = name.rpartition("/")[2]
    return file.lower() if binary_format is BinaryFormat.PE else file


def library_stem(name: str) -> str:
    """A library's file name without directories, version, the hash of a repair tool and suffix: `libyaml`."""
    file = name.rpartition("/")[2]
    return stem[0] if (stem := _STEM.match(file)) else file


def newest_version(versions: Iterable[str]) -> str:
    """The highest of some dotted numbers; empty when there is none."""
    return max(versions, key=lambda text: [int(part) for part in text.split(".") if part], default="")


def externals(binaries: Iterable[Binary]) -> dict[str, list[str]]:
    """Each needed library that no member provides, by name, and the members that need it.

    These must be on the user's machine: libc and the like, or what a repair tool forgot.
    """
    binaries = tuple(binaries)
    provided = {name for binary in binaries for name in binary.names}
    found: dict[str, set[str]] = {}
    for binary in binaries:
        for library in binary.needed:
            if library_name(library, binary.format) not in provided:
                found.setdefault(library, set()).add(binary.member)
    return {library: sorted(found[library]) for library in sorted(found)}
