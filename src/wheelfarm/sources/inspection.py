"""Finds the files of a source tree that are not source, by their first bytes and not by their names.

Compiled code, products of an earlier build, and pointers to files that git keeps elsewhere. Archives are
opened, and those in them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from wheelfarm.errors import ArchiveError
from wheelfarm.sources.archives import Kind, escaped, open_archive
from wheelfarm.sources.unpacking import files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD: Final = 512
"""Bytes that are read of each file; a tar says what it is at 257."""
_DEPTH: Final = 3
"""Archives in archives that are opened."""
_MAX_INSIDE: Final = 1 << 30
_MAX_MEMBERS: Final = 100_000
"""Bytes and members of an archive, with those in it, that are looked at."""

_MACHO: Final = "Mach-O binary"
BUILD_PRODUCT: Final = "product of an earlier build"
_CLOSED: Final = "archive of a format that the farm does not open"
"""7z, RAR, CAB, RPM; zstd, LZ4, lzip, compress; cpio and xar."""
_STARTS: Final = (
    (b"\x7fELF", "ELF binary"),
    *((start, _MACHO) for start in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf")),
    *((start, _MACHO) for start in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")),
    *((start, _MACHO) for start in (b"\xca\xfe\xba\xbf", b"\xbe\xba\xfe\xca", b"\xbf\xba\xfe\xca")),
    *((start, "static library") for start in (b"!<arch>\n", b"!<thin>\n", b"<bigaf>\n")),
    *((start, "LLVM bitcode") for start in (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")),
    (b"\0asm", "WebAssembly"),
    (b"dex\n0", "Android bytecode"),
    *(
        (start, BUILD_PRODUCT)
        for start in (b"# This is the CMakeCache file.", b"# ninja log v", b"# ninjadeps\n")
    ),
    (b"# CMAKE generated file: DO NOT EDIT!", BUILD_PRODUCT),
    (b"/annex/objects/", "git-annex pointer"),
    *(
        (start, _CLOSED)
        for start in (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"MSCF\0\0\0\0", b"\xed\xab\xee\xdb")
    ),
    *((start, _CLOSED) for start in (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"LZIP\x01", b"\x1f\x9d")),
    *((start, _CLOSED) for start in (b"070701", b"070702", b"070707", b"xar!")),
)
_ALL_STARTS: Final = tuple(start for start, _ in _STARTS)
_LFS: Final = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v\d+\r?\n(?:.*\n)*?oid ")
_CLASS: Final = 45
"""The oldest version of Java's classes; a Mach-O file has fewer architectures."""
_COFF: Final = {b"\x64\x86", b"\x4c\x01", b"\x64\xaa", b"\xc4\x01", b"\x41\xa6", b"\x4e\xa6"}
"""x86-64, x86, ARM64, ARM, ARM64EC and ARM64X."""
_CODE: Final = (b"c", b"\xe3")
"""How marshal marks code; the second with its flag for references."""
_SETUPTOOLS: Final = re.compile(r"build/(?:lib|temp|bdist|scripts)(?:[.-][^/]*)?/.")
_COMPRESSED: Final[tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...]] = (
    (b"\x1f\x8b\x08", gzip.open),
    (b"\xfd7zXZ\0", lzma.open),
    *((b"BZh%d1AY&SY" % level, bz2.open) for level in range(1, 10)),
)
_USTAR: Final = b"ustar"
_CANDIDATES: Final = (
    *_ALL_STARTS,
    *(start for start, _ in _COMPRESSED),
    *(b"PK\3\4", b"#!", b"\xca\xfe\xba\xbe", b"version https://"),
)
"""How a file may begin that is no source, or has something in it, though it has no null byte."""
_UNREADABLE: Final = (ArchiveError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


def find_non_source(tree: Path, project: Path) -> Iterator[tuple[str, str]]:
    """The files of a tree that are not source, and what each is; in the order of their names.

    Args:
        tree: the whole source tree.
        project: the directory in it that is built, where setuptools would use what an earlier build left.
    """
    top, below = os.fspath(tree), project.relative_to(tree).as_posix()
    prefix = "" if below == "." else f"{below}/"
    for file in sorted(name for name, entry in files_below(tree) if entry.is_file(follow_symlinks=False)):
        if kind := _kind_of_file(f"{top}/{file}"):
            yield file, kind
        elif file.startswith(prefix) and _SETUPTOOLS.match(file, len(prefix)):
            yield file, BUILD_PRODUCT


def _kind_of_file(path: str) -> str | None:
    total = 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each takes longer
        head = file.read(_HEAD)
        # Most files are text.
        if b"\0" not in head and head[257:262] != _USTAR and not head.startswith(_CANDIDATES):
            return None
        file.seek(0)
        for count, (name, size, kind) in enumerate(_look_into(Path(path), "", 0, file, _DEPTH), 1):
            total += size
            if kind is not None:
                return f"{kind} in an archive: {escaped(name)}" if name else kind
            if total > _MAX_INSIDE or count > _MAX_MEMBERS:
                return "archive that is too large to look into"
    return None


def _look_into(
    path: Path, name: str, size: int, content: IO[bytes], depth: int
) -> Iterator[tuple[str, int, str | None]]:
    """Name, size and kind of a file, and of those in it where it is an archive."""
    head = content.read(_HEAD)
    yield name, size, kind_of(head)
    decompress = next((each for start, each in _COMPRESSED if head.startswith(start)), None)
    # A script may have a zip after it, as zipapp makes them.
    is_zip = head.startswith(b"PK\3\4") or (head.startswith(b"#!") and zipfile.is_zipfile(content))
    if not (decompress or is_zip or _is_tar(head)):
        return
    if depth == 0:
        yield name, 0, "archive in too many others"
        return
    try:
        content.seek(0)
        if decompress:
            with decompress(content) as inner:
                yield from _look_into(path, name, 0, inner, depth - 1)
            return
        with open_archive(path, content) as members:
            for member in members:
                if member.encrypted:
                    yield member.name, 0, "encrypted file"
                elif member.kind is Kind.FILE:
                    with member.open() as inner:
                        # Members of a tar have to be read to get to the next.
                        read = 0 if is_zip else member.size
                        yield from _look_into(path, member.name, read, inner, depth - 1)
    except _UNREADABLE:
        yield name, 0, "archive that cannot be read"


def _is_tar(head: bytes) -> bool:
    if head[257:262] == _USTAR:
        return True
    # Before POSIX a tar said nothing of itself; its first header has a checksum.
    try:
        return b"\0" in head and bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape"))
    except (tarfile.TarError, ValueError):
        return False


def kind_of(head: bytes) -> str | None:
    """What a file with these first bytes is; None for what may be source."""
    if head.startswith(_ALL_STARTS):
        return next(kind for start, kind in _STARTS if head.startswith(start))
    if head.startswith(b"\xca\xfe\xba\xbe"):
        return "Java class" if int.from_bytes(head[4:8]) >= _CLASS else _MACHO
    if head.startswith(b"MZ") and b"\0" in head[:64]:
        return "PE or DOS binary"
    if _is_coff(head):
        return "COFF object"
    if _is_pyc(head):
        return "Python bytecode"
    return "Git LFS pointer" if _LFS.match(head) else None


def _is_coff(head: bytes) -> bool:
    # Of a big object or an import: no machine, and 0xffff for the number of sections.
    if head.startswith(b"\0\0\xff\xff"):
        return head[6:8] in _COFF
    # An object has sections, and no optional header as a program has.
    named = head[20:21] in {b".", b"/"}
    return head[:2] in _COFF and head[2:4] != b"\0\0" and head[16:18] == b"\0\0" and named


def _is_pyc(head: bytes) -> bool:
    # The code of a module comes after a time, since Python 3.3 a size, and since 3.7 flags (PEP 552).
    code = (head[8:17], head[12:21], head[16:25])
    return head[2:4] == b"\r\n" and any(each[:1] in _CODE and each[1:] == bytes(8) for each in code)
