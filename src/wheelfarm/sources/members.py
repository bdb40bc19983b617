"""The members of an archive, whatever its format: what they say of themselves, before anything is written."""

from __future__ import annotations

import calendar
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_LONGEST_LINK: Final = 4096
_CHUNK: Final = 1 << 20
LARGEST: Final = 4 << 30
"""Bytes of an archive without its compression; a bomb is not undone to its end."""
_LATEST: Final = 2**32 - 1
"""The last second that all file systems can keep."""

_ZIP_STARTS: Final = (b"PK\3\4", b"PK\5\6")
"""A first member, and the end of an archive without any (APPNOTE 4.3)."""

_DAMAGE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # gzip and bz2 say it so; and a full disk
    NotImplementedError,  # a compression that zipfile does not know
)


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    SPECIAL = "device, fifo or socket"


_ZIP_KINDS: Final = {0: Kind.FILE, stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.SYMLINK}
"""By the file type of its mode, which is 0 when it was not made on Unix."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of an archive.

    Args:
        name: as the archive has it.
        kind: what it is.
        size: of its content, in bytes.
        executable: whether its owner may run it.
        time: of its last change, in seconds since 1970.
        link: where a link points to.
        open: gives its content.
        encrypted: whether a password is needed.
    """

    name: str
    kind: Kind
    size: int
    executable: bool
    time: float
    link: str
    open: Callable[[], IO[bytes]]
    encrypted: bool = False


@contextmanager
def open_archive(path: Path, scratch: Path | None = None) -> Iterator[Iterable[Member]]:
    """Open a tar (plain or compressed with what this Python knows) or a zip, by content, not by name.

    Args:
        path: the archive.
        scratch: a directory with room for all that is in it; that for temporary files by default.

    Raises:
        ArchiveError: when it is neither or damaged, or when what is done with it meanwhile shows that it is.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start in _ZIP_STARTS:
            with zipfile.ZipFile(path) as archive:
                yield _Zip(archive)
        else:
            with tarfile.open(path) as packed, _plain(packed, path, scratch) as plain:
                yield _Tar(plain)
    except _DAMAGE as error:
        raise ArchiveError(
            f"{path.name} cannot be unpacked",
            where=str(path),
            why=str(error) or "it ends too early",
            hint="what can be: tar (plain, gz, bz2, xz; zst from Python 3.14 on) and zip",
        ) from error


@contextmanager
def _plain(archive: tarfile.TarFile, path: Path, scratch: Path | None) -> Iterator[tarfile.TarFile]:
    """The same tar without its compression, in a file that goes at the end.

    Members are read twice, to be judged and to be written: a compressed stream would be undone for each.
    """
    file = archive.fileobj
    if isinstance(file, io.BufferedReader):
        yield archive
        return
    with tempfile.TemporaryFile(dir=scratch) as spool:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            if spool.tell() > LARGEST:
                raise ArchiveError(
                    f"{path.name} is too large to unpack", where=str(path), why=f"it is over {LARGEST} bytes"
                )
            spool.write(chunk)
        spool.seek(0)
        with tarfile.open(fileobj=spool, mode="r:") as plain:
            yield plain


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def __iter__(self) -> Iterator[Member]:
        for info in self._archive:
            yield Member(
                name=info.name,
                kind=_tar_kind(info),
                size=info.size,
                executable=bool(info.mode & stat.S_IXUSR),
                time=min(max(info.mtime, 0), _LATEST),
                link=info.linkname,
                open=partial(self._open, info),
            )
        self._check_end()

    def _check_end(self) -> None:
        # tarfile takes a damaged header, and a missing one, for the end: a real one is a block of zeros.
        file = self._archive.fileobj
        if file is not None:  # pragma: no branch - it is open
            file.seek(self._archive.offset)
            if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end is missing, or a header is damaged")

    def _open(self, info: tarfile.TarInfo) -> IO[bytes]:
        content = self._archive.extractfile(info)
        if content is None:  # pragma: no cover - only files and hard links to them are opened
            raise tarfile.ReadError(f"{info.name} has no content")
        return content


def _tar_kind(info: tarfile.TarInfo) -> Kind:
    if info.isreg():
        return Kind.FILE
    if info.isdir():
        return Kind.DIRECTORY
    if info.issym():
        return Kind.SYMLINK
    return Kind.HARDLINK if info.islnk() else Kind.SPECIAL


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def __iter__(self) -> Iterator[Member]:
        for info in self._archive.infolist():
            mode = info.external_attr >> 16  # Unix keeps its mode there
            kind = _zip_kind(info, mode)
            encrypted = bool(info.flag_bits & 1)
            yield Member(
                name=info.orig_filename,
                kind=kind,
                size=info.file_size,
                executable=bool(mode & stat.S_IXUSR),
                time=_zip_time(info),
                link=self._link(info) if kind is Kind.SYMLINK and not encrypted else "",
                encrypted=encrypted,
                open=partial(self._archive.open, info),
            )

    def _link(self, info: zipfile.ZipInfo) -> str:
        """Where a link points to, which zip keeps as its content."""
        with self._archive.open(info) as content:
            return content.read(_LONGEST_LINK).decode("utf-8", "surrogateescape")


def _zip_kind(info: zipfile.ZipInfo, mode: int) -> Kind:
    if info.is_dir():
        return Kind.DIRECTORY
    return _ZIP_KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)


def _zip_time(info: zipfile.ZipInfo) -> float:
    """The time, which zip keeps without its zone: taken for UTC, to be the same everywhere."""
    year, month, day, *clock = info.date_time
    return float(calendar.timegm((year, max(month, 1), max(day, 1), *clock)))
