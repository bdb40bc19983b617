"""Atomic writes and file digests: the only place that writes a draft and renames it.

A file is written under a temporary name in its own directory, flushed to the disk and renamed. The directory
is flushed after that, so that the order of the writes is also their order on the disk. Neither a reader nor a
kill nor a full disk sees half a file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import ValidationError

from wheelfarm.errors import WheelhouseError
from wheelfarm.model import Digest
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import TypeAdapter

    from wheelfarm.errors import FarmError

logger = get_logger(__name__)
T = TypeVar("T")

TEMPORARY_PREFIX: Final = ".tmp-"
"""How the names of unfinished files begin."""

_REMOVALS: Final = 8
"""Files that are removed at once."""
_NOUN: Final = "the wheelhouse"
_FULL: Final = (
    "the disk is full",
    "free some space; the directories of failed builds in .wheelfarm/stages can go",
)
_DENIED: Final = ("no permission to read or to write", "change the permissions, or choose another directory")
_READ_ONLY: Final = ("the file system is read-only", "choose another directory")
_WRONG_KIND: Final = ("a file is where a directory is needed, or the reverse", "move it away")
_REASONS: Final[Mapping[int | None, tuple[str, str]]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _READ_ONLY,
    errno.EEXIST: _WRONG_KIND,
    errno.EISDIR: _WRONG_KIND,
    errno.ENOTDIR: _WRONG_KIND,
}
# Some file systems cannot flush a directory, and Windows cannot open one: the errors that they raise.
_NO_DIRECTORY_FLUSH: Final = frozenset({errno.EACCES, errno.EINVAL, errno.ENOTSUP})


@contextmanager
def explain_os_errors(where: Path, noun: str = _NOUN) -> Iterator[None]:
    """Turn an OSError of the block into a WheelhouseError with cause and hint.

    Args:
        where: the file or directory, for an OSError without a file name.
        noun: what the file belongs to.
    """
    try:
        yield
    except OSError as error:
        raise os_problem(WheelhouseError, f"{noun} cannot be read or written", error, where) from error


def os_problem(kind: type[FarmError], what: str, error: OSError, where: Path | None = None) -> FarmError:
    """An OSError as an error of the farm, with cause and hint.

    Args:
        kind: the class of the result.
        what: what cannot be done.
        error: the OSError.
        where: the file or directory, for an OSError without a file name.
    """
    why, hint = _REASONS.get(error.errno, (None, None))
    reason, file = error.strerror or str(error), error.filename or where
    found = kind(
        what, where=str(file) if file else None, why=f"{why} ({reason})" if why else reason, hint=hint
    )
    found.failure = "out-of-disk" if why == _FULL[0] else None
    return found


def read_text(path: Path, error: type[FarmError], hint: str = "save it as UTF-8") -> str:
    """The text of a file.

    Raises:
        OSError: when it cannot be read.
        FarmError: of class `error`, when it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise error(
            f"{path.name} is not UTF-8",
            where=f"{path}, byte {problem.start}",
            why=f"{problem.reason}: 0x{problem.object[problem.start]:02x}",
            hint=hint,
        ) from problem


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse JSON, whoever wrote it.

    Raises:
        ValueError: when it is not JSON, is nested too deeply, or has a number that JSON does not have, such
            as NaN, or that no float can hold.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.20} is no number of JSON")
    return number


def sha256_of_file(path: Path) -> Digest:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def flush_directory(path: Path) -> None:
    """Flush a directory's entries to the disk, where the system can do that."""
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
    """Make a directory and its parents, and flush them."""
    if path.is_dir():
        return
    ensure_directory(path.parent)
    path.mkdir(exist_ok=True)
    flush_directory(path.parent)


@contextmanager
def temporary_path(directory: Path) -> Iterator[Path]:
    """A temporary name in a directory, which is made; a file of that name is removed after the block."""
    ensure_directory(directory)
    path = directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        yield path
    except OSError as error:
        # A write to a full disk does not say to which file.
        error.filename = error.filename or str(path)
        raise
    finally:
        path.unlink(missing_ok=True)


def rename_durably(temporary: Path, path: Path) -> None:
    """Flush a file, rename it within its file system, and flush the directory."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    ensure_directory(path.parent)
    temporary.replace(path)
    flush_directory(path.parent)


def write_atomically(path: Path, data: bytes, noun: str = _NOUN) -> None:
    """Write a file as a whole or not at all; its directory is made. `noun` names it in errors.

    Raises:
        WheelhouseError: when the disk is full or the directory is not writable.
    """
    with explain_os_errors(path, noun), temporary_path(path.parent) as temporary:
        temporary.write_bytes(data)
        rename_durably(temporary, path)


def write_if_changed(path: Path, data: bytes) -> None:
    """Write a file atomically unless it has these bytes already."""
    with explain_os_errors(path):
        if path.is_file() and path.read_bytes() == data:
            return
    write_atomically(path, data)


def write_new(path: Path, data: bytes, noun: str = _NOUN) -> bool:
    """Write a file as a whole where there is none yet; returns whether there was none.

    Two that write at once write one file: the name is taken by a link, which replaces nothing (link(2)).

    Raises:
        WheelhouseError: when the disk is full or the directory is not writable.
    """
    with explain_os_errors(path, noun), temporary_path(path.parent) as temporary:
        temporary.write_bytes(data)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        flush_directory(path.parent)
    return True


@dataclass(frozen=True)
class RememberedValues(Generic[T]):
    """Values by key in a JSON file that save work in later runs.

    Nothing depends on them: a file that cannot be read or written is a warning, and no error.
    """

    path: Path
    adapter: TypeAdapter[dict[str, T]]

    def read(self, *, warn: bool = True) -> dict[str, T]:
        """All values; none when the file is missing or damaged."""
        try:
            text = self.path.read_bytes()
            parse_json(text)  # pydantic's own parser takes NaN
            return self.adapter.validate_json(text)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            if warn:
                logger.warning("%s is not used: %.100s", self.path, why)
            return {}

    def add(self, values: Mapping[str, T]) -> None:
        """Write some values beside the others."""
        # A run has read the file before: what is wrong with it is said once.
        known = self.read(warn=False)
        if known == (together := known | dict(values)):
            return
        try:
            write_atomically(self.path, self.adapter.dump_json(together, indent=1) + b"\n")
        except WheelhouseError as error:
            logger.warning("%s is not written: %s", self.path, error.why)


def remove_tree(tree: Path) -> None:
    """Remove a directory with all that is in it, as far as that is possible, with several threads.

    Each removal waits for the file system: ten thousand files one by one can take longer than a test.
    """
    levels: defaultdict[int, list[tuple[str, list[str]]]] = defaultdict(list)
    for parent, _, files in os.walk(tree):
        levels[parent.count(os.sep)].append((parent, files))
    with ThreadPoolExecutor(max_workers=_REMOVALS) as pool:
        for _, level in sorted(levels.items(), reverse=True):
            list(pool.map(_remove_files, level))
    shutil.rmtree(tree, ignore_errors=True)  # links to directories, and what could not be removed


def _remove_files(directory: tuple[str, list[str]]) -> None:
    parent, names = directory
    with suppress(OSError):
        for name in names:
            os.unlink(os.path.join(parent, name))  # noqa: PTH108, PTH118 - thousands of files
        os.rmdir(parent)  # noqa: PTH106


def copy_verified(source: Path, path: Path, sha256: Digest) -> None:
    """Copy a file atomically; the copy is read back and hashed before the rename.

    Raises:
        WheelhouseError: when the copy has another digest, the disk is full or the directory is not writable.
    """
    with explain_os_errors(path), temporary_path(path.parent) as temporary:
        shutil.copyfile(source, temporary)
        found = sha256_of_file(temporary)
        if found != sha256:
            raise WheelhouseError(
                f"{source.name} is not the wheel that was hashed",
                where=str(source),
                why=f"its sha256 was {sha256} and is {found}: the file was changed, or the disk fails",
                hint="build it again",
            )
        rename_durably(temporary, path)
