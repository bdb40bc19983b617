"""Where the files of a static index are: a directory, an object store behind an fsspec url, or a web server.

All of them replace a file as a whole: a reader gets the old bytes or the new ones.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol
from urllib.parse import quote, urlsplit

from wheelfarm.errors import PublishError
from wheelfarm.sources.urls import local_path
from wheelfarm.system.files import copy_verified, explain_os_errors, parse_json, write_atomically
from wheelfarm.system.locks import LockTimeoutError, hold_lock
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wheelfarm.index.client import IndexClient
    from wheelfarm.model import Digest

logger = get_logger(__name__)

LOCK: Final = ".publishing"
_LEASE: Final = 60.0
"""Seconds after which a lock in an object store that nobody renews is that of a publisher who died."""
_POLL: Final = 1.0


class Storage(Protocol):
    """Files by relative paths with slashes."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None when there is none."""

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None when there is none."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file as a whole."""

    def put(self, source: Path, path: str, sha256: Digest) -> None:
        """Copy a file with known bytes as a whole."""

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""

    def locked(self) -> AbstractContextManager[Callable[[], None]]:
        """Lock the index against other publishers; call the returned function regularly to renew the lock."""


@dataclass(frozen=True)
class Web:
    """The files below the url of a client, which are only read."""

    client: IndexClient

    def _url(self, path: str) -> str:
        return f"{self.client.index_url}{quote(path)}"

    def read(self, path: str) -> bytes | None:
        answer = self.client.find(self._url(path))
        return None if answer is None else answer.content

    def size(self, path: str) -> int | None:
        content = self.read(path)
        return None if content is None else len(content)

    def _refuse(self, *_args: object, **_options: object) -> NoReturn:
        raise PublishError("a web server's files can only be read", where=self.client.index_url)

    write = put = remove = locked = _refuse


@dataclass(frozen=True)
class Directory:
    """A directory on a disk that all publishers share."""

    root: Path
    timeout: float = 600.0

    def read(self, path: str) -> bytes | None:
        with explain_os_errors(self.root / path), suppress(FileNotFoundError):
            return (self.root / path).read_bytes()
        return None

    def size(self, path: str) -> int | None:
        with explain_os_errors(self.root / path), suppress(FileNotFoundError):
            return (self.root / path).stat().st_size
        return None

    def write(self, path: str, data: bytes) -> None:
        write_atomically(self.root / path, data, "the index")

    def put(self, source: Path, path: str, sha256: Digest) -> None:
        copy_verified(source, self.root / path, sha256)

    def remove(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)
        with suppress(OSError):  # the directory holds something else
            (self.root / path).parent.rmdir()

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """See `Storage.locked`; the kernel frees the lock when its holder dies."""
        self.root.mkdir(parents=True, exist_ok=True)

        def on_wait(waited: float) -> None:
            if not waited:
                logger.info("waiting for another publisher, who is writing to %s", self.root)

        try:
            with hold_lock(self.root / LOCK, timeout=self.timeout, on_wait=on_wait):
                yield lambda: None
        except LockTimeoutError:
            raise _locked_error(str(self.root)) from None


@dataclass(frozen=True)
class Bucket:
    """A prefix in an object store: fsspec's file system, and the path in it.

    Credentials and endpoints are each store's own: fsspec takes them from where its users keep them.
    """

    files: Any  # an fsspec.AbstractFileSystem, which has no types
    root: str
    lease: float = _LEASE
    timeout: float = 600.0

    def _at(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes | None:
        with self._explained(path), suppress(FileNotFoundError):
            self.files.invalidate_cache()
            return bytes(self.files.cat_file(self._at(path)))
        return None

    def size(self, path: str) -> int | None:
        with self._explained(path), suppress(FileNotFoundError):
            return int(self.files.info(self._at(path))["size"])
        return None

    def write(self, path: str, data: bytes) -> None:
        with self._explained(path):
            self.files.pipe_file(self._at(path), data)

    def put(self, source: Path, path: str, sha256: Digest) -> None:
        """See `Storage.put`; the digest is in the path, so another publisher writes the same bytes."""
        del sha256
        with self._explained(path):
            self.files.put_file(str(source), self._at(path))

    def remove(self, path: str) -> None:
        with self._explained(path), suppress(FileNotFoundError):
            self.files.rm_file(self._at(path))

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """See `Storage.locked`.

        The lock is an object that can be made only once. Its holder renews it; one that does not change for
        the time of a lease, by our own clock, is taken over.
        """
        publisher, renewals = secrets.token_hex(8), count(1)
        self._acquire(_note(publisher, 0))

        def renew() -> None:
            note = self.read(LOCK)
            if note is None or parse_json(note)["publisher"] != publisher:
                raise PublishError(
                    "another publisher has taken over the index",
                    where=self.root,
                    why=f"this one did not write anything for {self.lease:g} seconds",
                    hint="publish again: it goes on where it stopped",
                )
            self.write(LOCK, _note(publisher, next(renewals)))

        try:
            yield renew
        finally:
            note = self.read(LOCK)
            if note is not None and parse_json(note)["publisher"] == publisher:
                self.remove(LOCK)

    def _acquire(self, note: bytes) -> None:
        began = changed = time.monotonic()
        seen: bytes | None = None
        while True:
            with suppress(FileExistsError), self._explained(LOCK):
                self.files.pipe_file(self._at(LOCK), note, mode="create")
                return
            found, now = self.read(LOCK), time.monotonic()
            if found != seen:
                if seen is None:
                    logger.info("waiting for another publisher, who is writing to %s", self.root)
                seen, changed = found, now
            elif now - changed >= self.lease:
                logger.info("the other publisher gives no sign of life: taking over")
                self.remove(LOCK)
                continue
            if now - began >= self.timeout:
                raise _locked_error(self.root)
            time.sleep(min(_POLL, self.lease / 4))

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Turn what a store's own client raises into an error of ours."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, PublishError):
            raise
        except Exception as error:
            raise PublishError(
                "the object store cannot be used",
                where=self._at(path),
                why=f"{type(error).__name__}: {str(error)[:200]}",
                hint="check the url, and the credentials of the store",
            ) from error


def _note(publisher: str, renewed: int) -> bytes:
    """The content of the lock in an object store."""
    return json.dumps({"publisher": publisher, "renewed": renewed}).encode()


def _locked_error(where: str) -> PublishError:
    return PublishError(
        "another publisher keeps the index locked", where=where, hint="let it end, or stop it"
    )


def open_storage(url: str, root: Path) -> Storage:
    """The storage behind a url; a path without a scheme is below the farm's directory.

    Raises:
        PublishError: when fsspec or the store's own library is not installed, or cannot use the url.
    """
    local = root / url if "://" not in url else local_path(url)
    if local is not None:
        if local.exists() and not local.is_dir():
            raise PublishError(
                "the static index is no directory",
                where=str(local),
                why="its url in [tool.wheelfarm.index] names a file",
                hint="name a directory, which may be missing, or move the file away",
            )
        return Directory(local)
    try:
        import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - only object stores need it

        files, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise PublishError(
            f"{urlsplit(url).scheme}:// needs a library that is not installed",
            where=url,
            why=str(error),
            hint="pip install 'wheelfarm[index]', and the library that is named above",
        ) from error
    except ValueError as error:
        raise PublishError("fsspec does not know this url", where=url, why=str(error)) from error
    return Bucket(files, str(path))
