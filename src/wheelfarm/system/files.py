"""Writing files so that neither a reader nor a kill nor a full disk ever meets half of one.

Each file is written under a temporary name in its own directory, flushed to the disk and renamed; the
directory is flushed after that, so that the order of the writes is also their order on the disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import WheelhouseError
from wheelfarm.model import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TEMPORARY: Final = ".tmp-"
"""How the names of unfinished files begin."""

_HOUSE: Final = "the wheelhouse"
_CHUNK: Final = 1 << 20
_FULL: Final = (
    "the disk is full",
    "free some space; the stages of failed builds in .wheelfarm/stages can go",
)
_READ_ONLY: Final = ("this place may not be written", "set its permissions, or choose another place")
_IN_THE_WAY: Final = ("something else stands in the place of a file or directory", "move it away")
_REFUSALS: Final[Mapping[int | None, tuple[str, str]]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
}
# File systems that cannot flush a directory, and systems that cannot open one (Windows), say one of these.
_NO_DIRECTORY_FLUSH: Final = frozenset({errno.EACCES, errno.EINVAL, errno.ENOTSUP})


@contextmanager
def explained(where: Path, noun: str = _HOUSE) -> Iterator[None]:
    """Turn the system's refusal to read or write into an error that says what to do.

    Args:
        where: the file or directory, when the system does not name one.
        noun: what it belongs to.

    Raises:
        WheelhouseError: when the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        why, hint = _REFUSALS.get(error.errno, (None, None))
        reason = error.strerror or str(error)
        raise WheelhouseError(
            f"{noun} cannot be read or written",
            where=str(error.filename or where),
            why=f"{why} ({reason})" if why else reason,
            hint=hint,
        ) from error


def digest_of(path: Path) -> Digest:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def flush_directory(path: Path) -> None:
    """Bring a directory's entries to the disk, where the system can do that."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_FLUSH:
            raise


def ensure_directory(path: Path) -> None:
    """Make a directory and what is missing above it, lastingly."""
    if path.is_dir():
        return
    ensure_directory(path.parent)
    path.mkdir(exist_ok=True)
    flush_directory(path.parent)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what the block has written there takes the place of `path`."""
    ensure_directory(path.parent)
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_directory(path.parent)


def write_atomically(path: Path, data: bytes, noun: str = _HOUSE) -> None:
    """Write a file, whole or not at all, and lastingly; directories are made as needed.

    Args:
        path: the file.
        data: its content.
        noun: what the file is or belongs to, for the error.

    Raises:
        WheelhouseError: when the disk is full or the place cannot be written.
    """
    with explained(path, noun), _replacing(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def update(path: Path, data: bytes) -> None:
    """Write a file unless it holds these very bytes already.

    Raises:
        WheelhouseError: as `write_atomically`.
    """
    with explained(path):
        if path.is_file() and path.read_bytes() == data:
            return
    write_atomically(path, data)


def copy_verified(source: Path, path: Path, sha256: Digest) -> None:
    """Copy a file, whole or not at all; the bytes are read back and compared before they get the name.

    Raises:
        WheelhouseError: when the copy has another digest, the disk is full or the place cannot be written.
    """
    with explained(path), _replacing(path) as temporary:
        with source.open("rb") as original, temporary.open("xb") as copy:
            shutil.copyfileobj(original, copy, _CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
        found = digest_of(temporary)
        if found != sha256:
            raise WheelhouseError(
                f"{source.name} is not the wheel that was hashed",
                where=str(source),
                why=f"its sha256 was {sha256} and is {found}: something changed the file, or the disk fails",
                hint="build it again",
            )
