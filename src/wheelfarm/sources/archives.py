"""Reads the members of a tar or zip archive, which may be damaged or hostile."""

from __future__ import annotations

import calendar
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Parts = tuple[str, ...]

_MAX_HEADER: Final = 1 << 20
"""Bytes of one extended header of a tar, such as a long name."""
_MAX_HEADERS: Final = 16 << 20
"""Bytes of all of them: Python reads about 1 MB of them in a second."""
_MAX_CHAIN: Final = 10
"""Extended headers of one member."""
_MAX_SHOWN: Final = 200
"""Characters of a name that an error shows."""
_LONGEST_LINK: Final = 4096
_LATEST: Final = 2**32 - 1
"""The last second that all file systems can store."""

_ZIP_STARTS: Final = (b"PK\3\4", b"PK\5\6")
"""A first member, and the end of an archive without any (APPNOTE 4.3)."""
DAMAGED_ZIP: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # of a member that is encrypted, or compressed in a way that Python does not know
    UnicodeDecodeError,
)
"""What zipfile raises for an archive that is damaged, or that it cannot read."""
_DAMAGE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # of gzip and bz2; and a full disk
    # What tarfile and zipfile raise for headers that they do not expect.
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    struct.error,
)


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    SPARSE = "sparse file"
    SPECIAL = "device, fifo or socket"


_TAR_KINDS: Final = {
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
}
_ZIP_KINDS: Final = {0: Kind.FILE, stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.SYMLINK}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of an archive, with the time of its last change in seconds since 1970."""

    name: str
    """As the archive has it."""
    kind: Kind
    size: int
    executable: bool
    time: float
    link: str
    """The target of a link."""
    open: Callable[[], IO[bytes]]
    encrypted: bool = False

    @cached_property
    def parts(self) -> Parts:
        return parts_of(self.name)


def parts_of(name: str) -> Parts:
    """The parts of a member's name, without empty ones and dots."""
    return tuple(part for part in name.split("/") if part not in {"", "."})


def escaped(name: str) -> str:
    """A name from outside, as an error may show it: without control characters, and not without end."""
    text = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in name[:_MAX_SHOWN]
    )
    return text if len(name) <= _MAX_SHOWN else f"{text}…"


@contextmanager
def open_archive(path: Path, content: IO[bytes] | None = None) -> Iterator[Iterator[Member]]:
    """Open a tar (plain or compressed with what this Python knows) or a zip, by content, not by name.

    Args:
        path: the file.
        content: what to read in its place: an archive in an archive.

    Raises:
        ArchiveError: when it is neither or damaged; also for damage that the block finds while it reads.
    """
    try:
        with nullcontext(content) if content else path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            # A zip may have a script before it.
            if start in _ZIP_STARTS or start.startswith(b"#!"):
                with zipfile.ZipFile(file) as archive:
                    yield _zip_members(archive)
            else:
                with tarfile.open(fileobj=file, tarinfo=_limited_headers(), encoding="utf-8") as tar:
                    yield _tar_members(tar)
    except _DAMAGE as error:
        raise ArchiveError(
            f"{path.name} cannot be unpacked",
            where=str(path),
            why=escaped(str(error)) or "it ends too early",
            hint="supported are tar (plain, gz, bz2, xz; zst from Python 3.14 on) and zip",
        ) from error


_EXTENDED: Final = frozenset(
    {
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    }
)


def _limited_headers() -> type[tarfile.TarInfo]:
    """A class for the headers of one archive that limits the extended ones.

    tarfile reads each of them whole, and calls itself for the header after it.
    """
    size = chain = 0

    class Header(tarfile.TarInfo):
        __slots__ = ()

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
            nonlocal size, chain
            header = super().frombuf(buf, encoding, errors)
            extended = header.type in _EXTENDED
            chain = chain + 1 if extended else 0
            size += header.size if extended else 0
            if header.size < 0:
                raise tarfile.TarError(f"{header.name} has a negative size")
            if chain > _MAX_CHAIN or size > _MAX_HEADERS or (extended and header.size > _MAX_HEADER):
                raise tarfile.TarError(f"the extended headers before {header.name} are too many or too large")
            if header.type == tarfile.GNUTYPE_SPARSE:
                raise tarfile.TarError(f"{header.name} is a sparse file")
            return header

        def _proc_gnusparse_10(self, *_: object) -> None:
            """Refuse a map that tarfile would read from the content, however long."""
            raise tarfile.TarError(f"{self.name} is a sparse file")

    return Header


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        if info.size < 0:
            raise tarfile.TarError(f"{info.name} has a negative size")
        kind = Kind.FILE if info.isreg() else _TAR_KINDS.get(info.type, Kind.SPECIAL)
        yield Member(
            name=info.name,
            kind=Kind.SPARSE if info.issparse() else kind,
            size=info.size,
            executable=bool(info.mode & stat.S_IXUSR),
            # In this order: NaN becomes 0.
            time=min(max(0, info.mtime), _LATEST),
            link=info.linkname,
            open=partial(_open_tar_member, archive, info),
        )
    # tarfile takes a damaged header, and a missing one, for the end: a real one is a block of zeros.
    assert archive.fileobj is not None  # noqa: S101 - it is open
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing, or a header is damaged")


def _open_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(info)
    if content is None:  # pragma: no cover - only files are opened
        raise tarfile.ReadError(f"{info.name} has no content")
    return content


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16  # 0 unless the archive was made on Unix
        # zipfile cuts `filename` at a null byte, and its is_dir fails for an empty one.
        directory = info.orig_filename.endswith("/")
        kind = Kind.DIRECTORY if directory else _ZIP_KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)
        encrypted, link = bool(info.flag_bits & 1), ""
        if kind is Kind.SYMLINK and not encrypted:
            with archive.open(info) as content:
                link = content.read(_LONGEST_LINK).decode("utf-8", "surrogateescape")
        year, month, day, *clock = info.date_time
        if month > 12:  # noqa: PLR2004 - the bits of a month reach to 15
            raise zipfile.BadZipFile(f"{info.orig_filename} is dated in month {month}")
        yield Member(
            name=info.orig_filename,
            kind=kind,
            size=info.file_size,
            executable=bool(mode & stat.S_IXUSR),
            # A zip has no time zone: UTC makes the time the same on all machines.
            time=float(calendar.timegm((year, max(month, 1), max(day, 1), *clock))),
            link=link,
            encrypted=encrypted,
            open=partial(archive.open, info),
        )
