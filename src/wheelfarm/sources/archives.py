"""Members of a tar or zip archive, and which of them are safe to unpack.

The rules are those of PEP 706's data filter and stricter: an unsafe archive is refused, not corrected.
"""

from __future__ import annotations

import calendar
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError, Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Parts = tuple[str, ...]

MAX_SIZE: Final = 4 << 30
"""Bytes of all members together."""
MAX_MEMBERS: Final = 500_000
_MAX_PROBLEMS: Final = 50
"""Problems that the error lists."""
_LONGEST_LINK: Final = 4096
_LATEST: Final = 2**32 - 1
"""The last second that all file systems can store."""

_ZIP_STARTS: Final = (b"PK\3\4", b"PK\5\6")
"""A first member, and the end of an archive without any (APPNOTE 4.3)."""
_DAMAGE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # of gzip and bz2; and a full disk
    NotImplementedError,  # a compression that zipfile does not know
)
_DRIVE: Final = re.compile(r"[A-Za-z]:")


class Kind(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
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

    @property
    def parts(self) -> Parts:
        return parts_of(self.name)


def parts_of(name: str) -> Parts:
    """The parts of a member's name, without empty ones and dots."""
    return tuple(part for part in name.split("/") if part not in {"", "."})


@contextmanager
def open_archive(path: Path) -> Iterator[Iterator[Member]]:
    """Open a tar (plain or compressed with what this Python knows) or a zip, by content, not by name.

    Raises:
        ArchiveError: when it is neither or damaged; also for damage that the block finds while it reads.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start in _ZIP_STARTS:
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive)
        else:
            with tarfile.open(path) as tar:
                yield _tar_members(tar)
    except _DAMAGE as error:
        raise ArchiveError(
            f"{path.name} cannot be unpacked",
            where=str(path),
            why=str(error) or "it ends too early",
            hint="supported are tar (plain, gz, bz2, xz; zst from Python 3.14 on) and zip",
        ) from error


def _tar_members(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        yield Member(
            name=info.name,
            kind=Kind.FILE if info.isreg() else _TAR_KINDS.get(info.type, Kind.SPECIAL),
            size=info.size,
            executable=bool(info.mode & stat.S_IXUSR),
            time=min(max(info.mtime, 0), _LATEST),
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
    if content is None:  # pragma: no cover - only files and hard links to them are opened
        raise tarfile.ReadError(f"{info.name} has no content")
    return content


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16  # 0 unless the archive was made on Unix
        kind = Kind.DIRECTORY if info.is_dir() else _ZIP_KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)
        encrypted, link = bool(info.flag_bits & 1), ""
        if kind is Kind.SYMLINK and not encrypted:
            with archive.open(info) as content:
                link = content.read(_LONGEST_LINK).decode("utf-8", "surrogateescape")
        year, month, day, *clock = info.date_time
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


def safe_members(members: Iterable[Member], path: Path) -> dict[Parts, Member]:
    """The members by the parts of their names, in the order of the archive at `path`.

    The targets of symbolic links are not checked here: that is `unpack`'s, when all else is unpacked.

    Raises:
        ArchiveError: when the archive is too large or a member is unsafe; several as a group.
    """
    found = list(_limited(members, path))
    problems = _problems(found)
    collector = Collector()
    for name, why in islice(problems, _MAX_PROBLEMS):
        collector.add(unsafe(path, name, why))
    if more := sum(1 for _ in problems):
        collector.add(ArchiveError(f"{path.name} has {more} further members that are not safe to unpack"))
    collector.check()
    return {member.parts: member for member in found if member.parts}


def unsafe(path: Path, name: str, why: str) -> ArchiveError:
    """The error for an unsafe member."""
    return ArchiveError(f"{path.name} is not safe to unpack", where=name, why=why)


def _limited(members: Iterable[Member], path: Path) -> Iterator[Member]:
    """The members up to the limits: a compression bomb is not read to its end."""
    total = 0
    sizes: dict[str, int] = {}
    for count, member in enumerate(members, 1):
        sizes[member.name] = member.size
        # A hard link becomes a copy.
        total += sizes.get(member.link, 0) if member.kind is Kind.HARDLINK else member.size
        if total > MAX_SIZE or count > MAX_MEMBERS:
            raise ArchiveError(
                f"{path.name} is too large to unpack",
                where=member.name,
                why=f"it has more than {MAX_SIZE} bytes or {MAX_MEMBERS} members when unpacked",
            )
        yield member


def _problems(members: Iterable[Member]) -> Iterator[tuple[str, str]]:
    """Name and reason of each unsafe member."""
    kinds: dict[Parts, Kind] = {}
    named: list[Member] = []
    for member in members:
        earlier = kinds.get(member.parts)
        if why := _name_problem(member):
            yield member.name, why
        # Some programs name a directory again.
        elif earlier is not None and not earlier is member.kind is Kind.DIRECTORY:
            yield member.name, "it is there twice"
        else:
            kinds[member.parts] = member.kind
            named.append(member)
    for member in named:
        if why := _tree_problem(member, kinds):
            yield member.name, why


def _name_problem(member: Member) -> str | None:
    parts = re.split(r"[/\\]", member.name)
    problems = (
        ("\0" in member.name, "its name has a null byte"),
        (len(parts) > 1 and not parts[0], "its path is absolute"),
        (".." in parts, "its path leads upwards with '..'"),
        (any(map(_DRIVE.match, parts)), "its path names a drive"),
        (member.kind is Kind.SPECIAL, f"it is a {member.kind}"),
        (member.encrypted, "it is encrypted"),
        (not member.parts and member.kind is not Kind.DIRECTORY, "it has no name"),
    )
    return next((why for wrong, why in problems if wrong), None)


def _tree_problem(member: Member, kinds: Mapping[Parts, Kind]) -> str | None:
    parts = member.parts
    for depth in range(1, len(parts)):
        above = kinds.get(parts[:depth], Kind.DIRECTORY)
        if above is not Kind.DIRECTORY:
            return f"{'/'.join(parts[:depth])} above it is a {above}"
    if member.kind is Kind.HARDLINK and kinds.get(parts_of(member.link)) is not Kind.FILE:
        return f"it is a hard link to {member.link!r}, which is no file of this archive"
    steps = re.split(r"[/\\]", member.link)
    if member.kind is Kind.SYMLINK and (not steps[0] or any(map(_DRIVE.match, steps))):
        return f"it is a symbolic link that leads out, to {member.link!r}"
    return None
