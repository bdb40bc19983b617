"""Connections of the HTTP client: retries that are logged, and limits of an answer's time and size."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from wheelfarm.errors import FarmError, NetworkError
from wheelfarm.model import raise_hint
from wheelfarm.sources.urls import shown
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = get_logger(__name__)

_LONGEST: Final = 60.0
"""Seconds that a server may ask us to wait before a retry (Retry-After, RFC 9110)."""
_CONNECTION: Final = re.compile(r"^_?\w+\(host=.*?\): ")
UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
TROUBLE: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError,
)


class LoggedRetry(urllib3.Retry):
    """Logs each retry, waits no longer than a minute, and does not retry an untrusted certificate."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, _LONGEST)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,  # noqa: ANN401 - as urllib3 has it
        _stacktrace: Any = None,  # noqa: ANN401
    ) -> Self:
        deadline = _local.deadline
        if error is not None and (UNTRUSTED in str(error) or (deadline and deadline.passed)):
            raise urllib3.exceptions.MaxRetryError(_pool, url or "", error)
        retry = super().increment(method, url, response, error, _pool, _stacktrace)
        reason = f"status {response.status}" if response is not None else innermost(error)
        logger.info("%s%s: %s; trying again", getattr(_pool, "host", ""), shown(url or ""), reason)
        return retry


class Deadline:
    """Cuts the connection of a request that takes too long.

    A server that sends a byte now and then never runs into a time limit for silence.
    """

    def __init__(self) -> None:
        self.passed = False
        self.socket: socket.socket | None = None

    def cut(self) -> None:
        self.passed = True
        with suppress(OSError, TypeError):
            # That of ssl would take the connection from the thread that reads.
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # type: ignore[arg-type]


class _Local(threading.local):
    deadline: Deadline | None = None
    """That of the request of this thread."""


_local: Final = _Local()


class _Watched(HTTPConnection):
    """A connection that the deadline of its thread can cut, from before the answer's first byte."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        deadline = _local.deadline
        if deadline is not None:
            deadline.socket = self.sock
            # requests follows a redirect whose body was cut.
            if deadline.passed:
                deadline.cut()
        return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    """The same for https."""


class LimitedAdapter(HTTPAdapter):
    """Makes such connections, and answers whose content has a limit: requests reads that of a redirect."""

    def __init__(self, largest: int, **options: Any) -> None:  # noqa: ANN401 - of requests
        super().__init__(**options)
        self.largest = largest

    def build_response(
        self, req: requests.PreparedRequest, resp: urllib3.BaseHTTPResponse
    ) -> requests.Response:
        answer = super().build_response(req, resp)
        unlimited = answer.iter_content

        def iter_content(*args: Any, **options: Any) -> Iterator[bytes]:  # noqa: ANN401 - of requests
            try:
                yield from limit_size(unlimited(*args, **options), answer.url, self.largest, "page")
            except NetworkError:
                # Nobody else has the answer that redirects.
                answer.close()
                raise

        answer.iter_content = iter_content  # type: ignore[method-assign]
        return answer

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        pool = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _WatchedTls if pool.scheme == "https" else _Watched
        return pool


@contextmanager
def limit_time(url: str, seconds: float, limit: str) -> Iterator[Deadline]:
    """Cut the requests of the block, and raise a NetworkError that names the limit, when they take longer."""
    deadline = _local.deadline = Deadline()
    timer = threading.Timer(seconds, deadline.cut)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    except (FarmError, *TROUBLE):
        # Also what makes nothing of an answer that was cut.
        if not deadline.passed:
            raise
    finally:
        timer.cancel()
        _local.deadline = None
    # An answer without length ends where its connection does.
    if deadline.passed:
        raise NetworkError(
            "the answer takes too long",
            where=shown(url),
            why=f"it was not complete after {seconds:g} s",
            hint=f"run it again; where the network is slow, {raise_hint(limit)}",
        )


def limit_size(chunks: Iterable[bytes], url: str, largest: int, limit: str) -> Iterator[bytes]:
    """The chunks of an answer. Raises a NetworkError that names the limit when they are more."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > largest:
            error = NetworkError(
                f"the answer has more than {largest:,} bytes",
                where=shown(url),
                why="the farm reads no further; compressed bytes count as what they unpack to",
                hint=f"check the url and the server; where both are right, {raise_hint(limit)}",
            )
            error.retryable = False
            raise error
        yield chunk


def innermost(error: BaseException | None) -> str:
    """The innermost cause of an error of requests; the outer ones repeat the url with its query."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error and error.args else None)
        if not isinstance(inner, Exception):
            # urllib3 begins with the connection that it was.
            return _CONNECTION.sub("", str(error))
        error = inner
