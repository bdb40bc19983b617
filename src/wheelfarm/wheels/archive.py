"""Opens a wheel: refuses an unsafe archive, reads what the wheel says of itself, and verifies its bytes."""

from __future__ import annotations

import hashlib
import lzma
import re
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename

from wheelfarm.errors import Collector, WheelError
from wheelfarm.model import Name
from wheelfarm.model.wheel_names import parse_wheel_filename
from wheelfarm.wheels.dist_info import (
    SUFFIX,
    check_agreement,
    check_format,
    check_tags,
    locate,
    read_metadata,
    read_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from packaging.tags import Tag
    from packaging.version import Version

    from wheelfarm.model import Digest
    from wheelfarm.wheels.dist_info import Metadata

LARGEST_METADATA: Final = 16_000_000
"""Bytes of METADATA and of WHEEL, which are read whole."""
_ROW: Final = 256
"""Bytes of a line of RECORD beside the file's name."""
_CHUNK: Final = 1024**2  # bytes
_ENCRYPTED: Final = 0x1  # bit 0 of the general purpose flags (APPNOTE.TXT 4.4.4)
_UNSAFE_NAME: Final = re.compile(r"^$|^/|^[A-Za-z]:|\\|\0|(?:^|/)\.\.(?:/|$)")
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    UnicodeDecodeError,  # of a name that is not the UTF-8 that it says it is
)


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a wheel; sizes are bytes."""

    name: str
    size: int
    compressed: int
    sha256: Digest | None
    """As RECORD states it; None for RECORD itself and its signatures, which cannot be listed with a hash."""


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel whose structure is sound; `verify` checks whether its bytes and tags are too."""

    path: Path
    name: Name
    version: str
    build: str
    """The build tag, such as 1 or 2local; empty when there is none."""
    tags: frozenset[Tag]
    metadata: Metadata
    members: tuple[Member, ...]
    dist_info: str
    """The name of the `.dist-info` directory."""

    @property
    def platform_tag(self) -> str:
        """The platforms as the file name writes them, such as `manylinux_2_28_x86_64`."""
        return self.path.stem.rpartition("-")[2]

    @property
    def packed(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size

    @property
    def unpacked(self) -> int:
        """The size of all members in bytes."""
        return sum(member.size for member in self.members)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(member.name for member in self.members)

    @property
    def installed(self) -> dict[str, Digest]:
        """The sha256 of each file that an installation must hold, by its path in RECORD.

        Installers move and rewrite the files under `.data/`, so those are left out.
        """
        return {
            member.name: member.sha256
            for member in self.members
            if member.sha256 is not None and not re.match(r"[^/]*\.data/", member.name)
        }

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises:
            WheelError: when it cannot be read.
        """
        with zipfile.ZipFile(self.path) as archive:
            return read_member(archive, name)


@contextmanager
def unreadable_as_wheel_error(where: str) -> Iterator[None]:
    """Turn what zipfile and the decompressors raise into a WheelError at that place."""
    try:
        yield
    except _UNREADABLE as error:
        raise WheelError(
            "cannot be read: the archive is damaged, truncated or not a zip file",
            where=where,
            why=str(error),
            hint="fetch or build the wheel again",
        ) from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member, or raise a WheelError."""
    with unreadable_as_wheel_error(name):
        return archive.read(name)


def open_wheel(path: Path, filename: str = "") -> Wheel:
    """Read and check a wheel's structure; `verify` checks its bytes and tags.

    The file name and METADATA must agree, and RECORD must list every file (binary distribution format
    specification).

    Args:
        path: the wheel.
        filename: the name that it gets; by default its own.

    Raises:
        WheelError: when the structure is not sound; a GroupError of them when several things are wrong.
    """
    problems = Collector()
    filename = filename or path.name
    with unreadable_as_wheel_error(filename), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        members = [info for info in infos if not info.filename.endswith("/")]
        names = {info.filename for info in members}
        for error in (*_bad_names(infos), *_bad_members(infos, path.stat().st_size)):
            problems.add(error)
        with problems.collect():
            name, version, build, tags = _parse_file_name(filename)
        with problems.collect():
            dist_info = locate(names)
        problems.check()  # only a sound archive is read further
        with problems.collect():
            where = f"{dist_info}/METADATA"
            metadata = read_metadata(read_member(archive, where), where)
            check_agreement(dist_info, metadata, name, version)
        with problems.collect():
            where = f"{dist_info}/WHEEL"
            check_format(read_member(archive, where), where)
        with problems.collect():
            where = f"{dist_info}/RECORD"
            digests = read_record(read_member(archive, where), where, names)
        problems.check()
    return Wheel(
        path=path,
        name=name,
        version=str(version),
        build=build,
        tags=tags,
        metadata=metadata,
        members=tuple(
            Member(
                name=info.filename,
                size=info.file_size,
                compressed=info.compress_size,
                sha256=digests.get(info.filename),
            )
            for info in members
        ),
        dist_info=dist_info,
    )


def _parse_file_name(text: str) -> tuple[Name, Version, str, frozenset[Tag]]:
    try:
        name, version, build, tags = parse_wheel_filename(text)
    except InvalidWheelFilename as error:
        raise WheelError("the file name is not a wheel's", where=text, why=str(error)) from error
    return Name(name), version, "".join(map(str, build)), tags


def _bad_names(infos: Sequence[zipfile.ZipInfo]) -> Iterator[WheelError]:
    """Names that would leave the directory they are unpacked to, and names that come twice."""
    # zipfile cuts `filename` at a NUL and rewrites separators; only `orig_filename` is what others may see.
    for name, times in Counter(info.orig_filename for info in infos).items():
        if _UNSAFE_NAME.search(name):
            yield WheelError(
                "a member's name is unsafe to unpack",
                where=repr(name),
                why="names are relative, without '..', backslash or drive letter",
            )
        if times > 1:
            yield WheelError(f"a member is there {times} times", where=name)


def _bad_members(infos: Sequence[zipfile.ZipInfo], size: int) -> Iterator[WheelError]:
    """Encrypted members, those beyond the end of the archive, and metadata that is too large to read."""
    record = sum(_ROW + 2 * len(info.filename.encode()) for info in infos)
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            yield WheelError("a member is encrypted", where=info.filename)
        if info.header_offset + info.compress_size > size:
            yield WheelError(
                "a member ends beyond the end of the archive",
                where=info.filename,
                why=f"the archive has {size:,} bytes, the member says {info.compress_size:,}",
            )
        # zipfile reads no more than the stated size of a member.
        most = {"METADATA": LARGEST_METADATA, "WHEEL": LARGEST_METADATA, "RECORD": record}
        directory, _, name = info.filename.partition("/")
        if directory.endswith(SUFFIX) and info.file_size > most.get(name, info.file_size):
            yield WheelError(
                f"{name} is too large to read",
                where=info.filename,
                why=f"it has {info.file_size:,} bytes; at most {most[name]:,} are accepted",
            )


def verify(wheel: Wheel) -> None:
    """Compare each member with its hash in RECORD, and the tags in WHEEL with those of the file name.

    Installers read the file name alone: some public wheels that builds need have other tags in WHEEL.

    Raises:
        WheelError: when a member or the tags differ, or a member cannot be read; a GroupError of several.
    """
    problems = Collector()
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        for member in wheel.members:
            with problems.collect():
                _compare(archive, member)
        with problems.collect():
            where = f"{wheel.dist_info}/WHEEL"
            check_tags(read_member(archive, where), where, wheel.tags)
    problems.check()


def _compare(archive: zipfile.ZipFile, member: Member) -> None:
    with unreadable_as_wheel_error(member.name), archive.open(member.name) as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    actual = digest.hexdigest()
    if member.sha256 is not None and actual != member.sha256:
        raise WheelError(
            "a member is not what RECORD says",
            where=member.name,
            why=f"its sha256 is {actual}, RECORD says {member.sha256}",
        )
