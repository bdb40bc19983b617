"""Real archives, good and bad."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.model import Digest, FetchedSource, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WHEN: Final = 1_600_000_000
"""The time of all members, an even second as zip needs it."""

_ZIP_MODES: Final = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
}


@dataclass(frozen=True)
class Entry:
    """A member to be; `kind` as tar has it."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644


def directory(name: str) -> Entry:
    """A directory."""
    return Entry(name, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, link: str) -> Entry:
    """A symbolic link."""
    return Entry(name, kind=tarfile.SYMTYPE, link=link, mode=0o777)


def hardlink(name: str, link: str) -> Entry:
    """A hard link."""
    return Entry(name, kind=tarfile.LNKTYPE, link=link)


def make_tar(path: Path, entries: Iterable[Entry], compression: str = "gz") -> Path:
    """Write a tar; compression as tarfile calls it, or empty."""
    with tarfile.open(path, f"w:{compression}") as archive:  # type: ignore[call-overload, unused-ignore]
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.mode, info.mtime = entry.kind, entry.link, entry.mode, WHEN
            info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content))
    return path


def make_zip(path: Path, entries: Iterable[Entry], *, encrypted: bool = False) -> Path:
    """Write a zip; encrypted ones only say that they are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            name = f"{entry.name}/" if entry.kind == tarfile.DIRTYPE else entry.name
            info = zipfile.ZipInfo(name, time.gmtime(WHEN)[:6])
            info.external_attr = (_ZIP_MODES[entry.kind] | entry.mode) << 16
            archive.writestr(info, entry.link.encode() or entry.content)
    if encrypted:
        data = bytearray(path.read_bytes())
        data[data.index(b"PK\1\2") + 8] |= 1
        path.write_bytes(data)
    return path


def digest(data: bytes) -> Digest:
    """The sha256 of bytes."""
    return Digest(hashlib.sha256(data).hexdigest())


def fetched(path: Path, name: str = "sample", version: str = "1.0") -> FetchedSource:
    """An archive as if it had been fetched."""
    return FetchedSource(name=parse_name(name), version=version, path=path, sha256=digest(path.read_bytes()))
