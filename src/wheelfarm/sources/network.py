"""Downloads: retried on network trouble, credentials for their own host alone, and nothing at all offline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import requests
import urllib3

from wheelfarm.errors import NetworkError, SourceError
from wheelfarm.sources.cache import CHUNK, chunks_of
from wheelfarm.sources.urls import (
    credentials_of,
    host_of,
    local_path,
    offline_error,
    shown,
    without_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_TRIES: Final = 3
_PAUSE: Final = 1.0
"""Seconds before the second try; each further pause is twice as long."""

_MISSING: Final = (404, 410)
_DENIED: Final = (401, 403)
_BUSY: Final = 429
_BROKEN: Final = 500
_TROUBLE: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)


class _BusyError(requests.ConnectionError):
    """The server has trouble of its own."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Gets what is behind a url, unless the farm is offline.

    Args:
        index_url: where the credentials in it, if any, may be sent: to its host alone.
        offline: whether every use is an error; `file:` urls stay readable.
        timeout: seconds without an answer after which a server counts as gone.
        progress: hears what is going on.
    """

    index_url: str
    offline: bool
    timeout: float
    progress: Callable[[str], None]

    def get(self, url: str, consume: Callable[[requests.Response], T], **headers: str) -> T:
        """Have an answer consumed; anew from its start after trouble on the way.

        Raises:
            NetworkError: offline, or when the server cannot be reached or refuses.
            SourceError: when the server does not have it.
        """
        if self.offline:
            raise offline_error(url)
        for left in reversed(range(_TRIES)):
            try:
                return self._try(url, consume, headers)
            except _TROUBLE as error:
                if not left:
                    raise _unreachable(url, error) from None
                pause = _PAUSE * 2 ** (_TRIES - left - 1)
                self.progress(f"{shown(url)}: {_reason(error)}; once more in {pause:g} s")
                time.sleep(pause)
            except requests.RequestException as error:
                raise NetworkError(
                    "this url cannot be fetched", where=shown(url), why=str(type(error).__name__)
                ) from None
        raise AssertionError  # pragma: no cover

    def download(self, url: str, consume: Callable[[Iterable[bytes]], T]) -> T:
        """Have the bytes of a file consumed, exactly as they lie on the server.

        Raises:
            NetworkError: as `get`.
            SourceError: as `get`.
        """
        if (path := local_path(url)) is not None:
            if not path.is_file():
                raise SourceError("there is no such file", where=shown(url))
            return consume(chunks_of(path))
        # A server must not compress on the way: the digest is that of the file itself.
        headers = {"Accept-Encoding": "identity"}
        return self.get(
            url, lambda answer: consume(answer.raw.stream(CHUNK, decode_content=False)), **headers
        )

    def _try(self, url: str, consume: Callable[[requests.Response], T], headers: dict[str, str]) -> T:
        auth = credentials_of(url) or (
            credentials_of(self.index_url) if host_of(url) == host_of(self.index_url) else None
        )
        with requests.get(
            without_credentials(url), auth=auth, headers=headers, timeout=self.timeout, stream=True
        ) as answer:
            if answer.status_code in _MISSING:
                raise SourceError(
                    "the server does not have this file", where=shown(url), why=f"status {answer.status_code}"
                )
            if answer.status_code == _BUSY or answer.status_code >= _BROKEN:
                raise _BusyError(f"the server answered with status {answer.status_code}")
            if not answer.ok:
                hint = "are the credentials set?" if answer.status_code in _DENIED else None
                raise NetworkError(
                    "the server refuses", where=shown(url), why=f"status {answer.status_code}", hint=hint
                )
            return consume(answer)


def _unreachable(url: str, error: Exception) -> NetworkError:
    tls = isinstance(error, requests.exceptions.SSLError)
    return NetworkError(
        "the server could not be reached" if not isinstance(error, _BusyError) else "the server has trouble",
        where=shown(url),
        why=f"{_reason(error)} ({_TRIES} tries), and the cache does not hold it",
        hint="name your certificates in REQUESTS_CA_BUNDLE"
        if tls
        else "check the network and the proxy variables",
    )


def _reason(error: Exception) -> str:
    """The innermost cause; the outer ones repeat the url with its query."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, Exception):
            return str(error)
        error = inner
