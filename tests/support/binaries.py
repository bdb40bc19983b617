"""Makes tiny native binaries for tests: ELF with gcc; Mach-O and PE byte by byte, without their linkers."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@cache
def elf(
    source: str, *, soname: str = "", needs: tuple[str, ...] = (), flags: tuple[str, ...] = ("-s",)
) -> bytes:
    """A shared object made of a C source; it needs the libraries with the names `needs`.

    The test is skipped where gcc does not make ELF.
    """
    if sys.platform != "linux":
        pytest.skip("gcc makes ELF on Linux only")
    with tempfile.TemporaryDirectory() as directory:
        stubs = [_gcc(Path(directory, name), "", name, (), ("-nostdlib",)) for name in needs]
        return _gcc(Path(directory, "out.so"), source, soname, tuple(map(str, stubs)), flags).read_bytes()


def _gcc(out: Path, source: str, soname: str, libraries: Iterable[str], flags: Iterable[str]) -> Path:
    name = [f"-Wl,-soname,{soname}"] if soname else []
    linked = ["-Wl,--no-as-needed", *libraries, *flags]
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-o", str(out), *name, "-x", "c", "-", "-x", "none", *linked],
        input=source.encode(),
        check=True,
        capture_output=True,
    )
    return out


def functions(*names: str) -> str:
    """C source that defines functions of these names."""
    return "".join(f"void {name}(void) {{}}\n" for name in names)


def calls(*names: str) -> str:
    """C source of an extension module `PyInit_ext` that calls functions of these names."""
    declared = "".join(f"void {name}(void);\n" for name in names)
    return declared + "void *PyInit_ext(void) { " + "".join(f"{name}();" for name in names) + " return 0; }\n"


OPENBLAS: Final = functions("openblas_get_config", "dgemm_", "cblas_dgemm", "dgetrf_")
SCIPY_OPENBLAS: Final = functions("scipy_openblas_get_config", "scipy_dgemm_", "scipy_cblas_dgemm")
SCIPY_OPENBLAS64: Final = functions("scipy_openblas_get_config64_", "scipy_dgemm_64_", "scipy_cblas_dgemm64_")
REFERENCE: Final = functions("dgemm_", "ilaver_")


def macho(
    *,
    install_name: str = "",
    needed: Iterable[str] = (),
    rpaths: Iterable[str] = (),
    exported: Iterable[str] = (),
    hidden: Iterable[str] = (),
    undefined: Iterable[str] = (),
    in_trie: str = "",
    debug: bool = False,
    minimum: tuple[int, int] | None = (14, 0),
    old_minimum: tuple[int, int] | None = None,
    cpu: int = 0x0100000C,
) -> bytes:
    """A Mach-O library or bundle (mach-o/loader.h): a header, its commands and a symbol table; no code.

    `in_trie` is exported by the loader's own table alone.
    """
    texts = bytearray(b"\0")
    symbols = b""
    # Types: local, exported, undefined, and the source file for a debugger.
    named = [(0x0E, f"_{name}") for name in hidden] + [(0x0F, f"_{name}") for name in exported]
    named += [(0x01, f"_{name}") for name in undefined] + ([(0x64, "demo.c")] if debug else [])
    for kind, name in named:
        symbols += struct.pack("<IBBHQ", len(texts), kind, int(kind & 0x0E == 0x0E), 0, 0)
        texts += name.encode() + b"\0"
    commands = [_dylib(0xD, install_name)] if install_name else []
    commands += [_dylib(0xC, name) for name in needed]
    commands += [_command(0x8000001C, struct.pack("<I", 12), path) for path in rpaths]
    if minimum:
        commands.append(struct.pack("<6I", 0x32, 24, 1, minimum[0] << 16 | minimum[1] << 8, 0, 0))
    if old_minimum:
        commands.append(struct.pack("<4I", 0x24, 16, old_minimum[0] << 16 | old_minimum[1] << 8, 0))
    trie = _trie(f"_{in_trie}") if in_trie else b""
    start = 32 + sum(map(len, commands)) + 24 + 72 + 16
    commands.append(struct.pack("<6I", 2, 24, start, len(named), start + len(symbols), len(texts)))
    tail = symbols + bytes(texts)
    commands.append(struct.pack("<4I", 0x80000033, 16, start + len(tail), len(trie)))
    tail += trie
    link_edit = (b"__LINKEDIT", 0x1000, 0x1000, start, len(tail), 1, 1, 0, 0)
    commands.append(struct.pack("<II16sQQQQIIII", 0x19, 72, *link_edit))
    body = b"".join(commands)
    header = (0xFEEDFACF, cpu, 0, 6 if install_name else 8, len(commands), len(body), 0, 0)
    return struct.pack("<8I", *header) + body + tail


def fat(*slices: tuple[int, bytes]) -> bytes:
    """A universal binary (mach-o/fat.h) of slices, each with its processor's number."""
    body, table = b"", b""
    for cpu, data in slices:
        body += bytes(-(0x1000 + len(body)) % 0x1000)
        table += struct.pack(">5I", cpu, 0, 0x1000 + len(body), len(data), 12)
        body += data
    head = struct.pack(">II", 0xCAFEBABE, len(slices)) + table
    return head.ljust(0x1000, b"\0") + body


def _trie(name: str) -> bytes:
    """A prefix tree of exports with one leaf: flags 0, address 0."""
    edge = b"\0\1" + name.encode() + b"\0"
    return edge + bytes([len(edge) + 1]) + b"\2\0\0\0"


def _dylib(number: int, name: str) -> bytes:
    return _command(number, struct.pack("<4I", 24, 0, 0x10000, 0x10000), name)


def _command(number: int, fields: bytes, text: str) -> bytes:
    body = fields + text.encode() + b"\0"
    body += bytes(-(8 + len(body)) % 8)
    return struct.pack("<II", number, 8 + len(body)) + body


_BASE: Final = 0x1000  # where the section is in memory
_START: Final = 0x200  # and in the file


def pe(
    name: str = "",
    *,
    exported: Iterable[str] = (),
    imports: Mapping[str, Iterable[str]] | None = None,
    symbols: int = 0,
    section: bytes = b".rdata",
    machine: int = 0x8664,
) -> bytes:
    """A PE32+ DLL (Microsoft's PE format) of one section with a table of exports and one of imports."""
    data = bytearray()
    exports = _exports(data, name, sorted(exported)) if name else (0, 0)
    tables = _imports(data, imports or {})
    directories = struct.pack("<4I", *exports, *tables).ljust(16 * 8, b"\0")
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    head += struct.pack("<HHIIIHH", machine, 1, 0, 0, symbols, 240, 0x2022)
    head += struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, len(data), 0, 0, _BASE)
    head += struct.pack("<QII6H", 1 << 32, _BASE, _START, 6, 0, 0, 0, 6, 0)
    head += struct.pack("<IIIIHH", 0, 0x4000, _START, 0, 2, 0)
    head += struct.pack("<QQQQII", *[1 << 20] * 4, 0, 16)
    head += directories
    head += struct.pack("<8sIIIIIIHHI", section, len(data), _BASE, len(data), _START, 0, 0, 0, 0, 0x40000040)
    return head.ljust(_START, b"\0") + bytes(data)


def _append(data: bytearray, chunk: bytes) -> int:
    """Add bytes and return their address in memory."""
    data += bytes(-len(data) % 8)
    address = _BASE + len(data)
    data += chunk
    return address


def _exports(data: bytearray, name: str, names: list[str]) -> tuple[int, int]:
    count = len(names)
    addresses = _append(data, struct.pack(f"<{count}I", *[_BASE] * count))
    texts = [_append(data, one.encode() + b"\0") for one in names]
    table = _append(data, struct.pack(f"<{count}I", *texts))
    ordinals = _append(data, struct.pack(f"<{count}H", *range(count)))
    own = _append(data, name.encode() + b"\0")
    fields = (0, 0, 0, 0, own, 1, count, count, addresses, table, ordinals)
    return _append(data, struct.pack("<IIHHIIIIIII", *fields)), 40


def _imports(data: bytearray, imports: Mapping[str, Iterable[str]]) -> tuple[int, int]:
    descriptors = b""
    for library, names in imports.items():
        hints = [_append(data, b"\0\0" + name.encode() + b"\0") for name in names]
        # An import by number has the highest bit set.
        lookups = struct.pack(f"<{len(hints) + 2}Q", *hints, 1 << 63 | 7, 0)
        originals, bound = _append(data, lookups), _append(data, lookups)
        own = _append(data, library.encode() + b"\0")
        descriptors += struct.pack("<5I", originals, 0, 0, own, bound)
    return _append(data, descriptors + bytes(20)), len(descriptors) + 20
