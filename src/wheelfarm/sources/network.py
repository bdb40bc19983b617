"""The HTTP client: retries, credentials for their own host only, and no request while the farm is offline."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import requests

from wheelfarm.errors import NetworkError, SourceError, counted
from wheelfarm.model import DEFAULT_LIMITS, Limits
from wheelfarm.sources.cache import CHUNK, chunks_of
from wheelfarm.sources.connections import (
    TROUBLE,
    UNTRUSTED,
    LimitedAdapter,
    LoggedRetry,
    innermost,
    limit_size,
    limit_time,
)
from wheelfarm.sources.urls import (
    credentials_of,
    host_of,
    local_path,
    offline_error,
    shown,
    without_credentials,
)
from wheelfarm.system.logs import add_secrets, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from wheelfarm.sources.connections import Deadline

T = TypeVar("T")

logger = get_logger(__name__)

_TRIES: Final = 3
MISSING: Final = frozenset({404, 410})
DENIED: Final = frozenset({401, 403})
"""Statuses of an answer to missing or wrong credentials (RFC 9110)."""
RETRIED: Final = frozenset({429, *range(500, 600)})
"""Statuses after which the next request may get another answer (RFC 6585, RFC 9110)."""


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Sends requests for one index; credentials go to its host only.

    Args:
        index_url: of the index, with or without credentials.
        credentials: user and password; by default those in the url.
        offline: whether each request is an error; `file:` urls stay readable.
        timeout: seconds without an answer after which a server counts as gone; or two numbers, for the
            connection and for the answer.
        authorities: a file of trusted certificates; by default those of requests.
        tries: how often a request is sent while it fails for a reason that may pass.
        limits: of answers; a time is that from a request to the end of its answer.
    """

    backoff: ClassVar[float] = 0.5
    """Factor of the pauses before the retries (urllib3.util.Retry)."""

    index_url: str = field(repr=False)
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    offline: bool = False
    timeout: float | tuple[float, float] = 60
    authorities: str | None = None
    tries: int = _TRIES
    limits: Limits = DEFAULT_LIMITS

    @cached_property
    def _session(self) -> requests.Session:
        retry = LoggedRetry(
            total=self.tries - 1,
            backoff_factor=self.backoff,
            status_forcelist=RETRIED,
            allowed_methods=None,
            raise_on_status=False,
        )
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, LimitedAdapter(self.limits.page, max_retries=retry))
        return session

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 - of requests
        """Send a request; the answer may have any status.

        Args:
            method: of HTTP.
            url: credentials in it are sent to its host.
            options: of `requests.request`.

        Raises:
            NetworkError: offline, when the server cannot be reached, or when its answer is too long.
        """
        with self._limit_time(url, "page_time"), self._send(method, url, **options) as answer:
            try:
                return self.read_whole(answer)
            except TROUBLE as error:
                raise self._unreachable(url, error) from None

    def _limit_time(self, url: str, limit: str) -> AbstractContextManager[Deadline]:
        return limit_time(url, getattr(self.limits, limit), limit)

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 - of requests
        """Send a request; the body of the answer is not read yet."""
        if self.offline:
            raise offline_error(url)
        auth = credentials_of(url)
        if auth is None and host_of(url) == host_of(self.index_url):
            auth = self.credentials or credentials_of(self.index_url)
        add_secrets(*(auth or ())[1:])
        try:
            return self._session.request(
                method,
                without_credentials(url),
                auth=auth,
                timeout=self.timeout,
                stream=True,
                # None leaves it to REQUESTS_CA_BUNDLE, which wins over the value of a session.
                verify=self.authorities or None,
                **options,
            )
        except TROUBLE as error:
            raise self._unreachable(url, error) from None
        except requests.RequestException as error:
            raise NetworkError(
                "this url cannot be requested", where=shown(url), why=type(error).__name__
            ) from None

    def read_whole(self, answer: requests.Response) -> requests.Response:
        """Read a page to its end, inside the retries of `consume`.

        Raises:
            NetworkError: when it is too large.
        """
        _ = answer.content
        return answer

    def get(
        self,
        url: str,
        consume: Callable[[requests.Response], T],
        *,
        limit: str = "page_time",
        **headers: str,
    ) -> T:
        """Pass an answer to a function; from its start again when the connection breaks on the way.

        Raises:
            NetworkError: offline, or when the server cannot be reached or refuses.
            SourceError: when the server does not have it.
        """

        def check_and_consume(answer: requests.Response) -> T:
            self.check(answer, url)
            return consume(answer)

        return self.consume(url, check_and_consume, limit=limit, headers=headers)

    def consume(
        self,
        url: str,
        consume: Callable[[requests.Response], T],
        *,
        limit: str = "page_time",
        **options: Any,  # noqa: ANN401
    ) -> T:
        """Pass an answer of any status to a function; again when the connection breaks on the way.

        Each try may take as long as a page by default.

        Raises:
            NetworkError: offline, or when the server cannot be reached.
        """
        for left in reversed(range(self.tries)):
            with (
                self._limit_time(url, limit) as deadline,
                self._send("GET", url, **options) as answer,
            ):
                try:
                    return consume(answer)
                except TROUBLE as error:
                    if not left or deadline.passed:
                        raise self._unreachable(url, error) from None
                    logger.info("%s: %s; trying again", shown(url), innermost(error))
        raise AssertionError  # pragma: no cover

    def download(self, url: str, consume: Callable[[Iterable[bytes]], T]) -> T:
        """Pass the bytes of a file to a function, as they are on the server or behind a `file:` url.

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
            url,
            lambda answer: consume(
                limit_size(
                    answer.raw.stream(CHUNK, decode_content=False), url, self.limits.download, "download"
                )
            ),
            limit="download_time",
            **headers,
        )

    def check_link(self, url: str) -> None:
        """Raise a SourceError for a link of a page on a server to a file of this machine."""
        if local_path(url) is not None and local_path(self.index_url) is None:
            raise SourceError(
                "the index links to a file of this machine",
                where=shown(url),
                why=f"{shown(self.index_url)} is no directory of this machine",
                hint="do not use this index before you know why",
            )

    def _unreachable(self, url: str, error: Exception) -> NetworkError:
        untrusted = UNTRUSTED in str(error)
        tries = 1 if untrusted else self.tries
        return NetworkError(
            "the server could not be reached",
            where=shown(url),
            why=f"{innermost(error)} ({counted(tries, 'try', 'tries')})",
            hint="name the file of its authority's certificate in REQUESTS_CA_BUNDLE, or in TWINE_CERT for "
            "an index that you publish to"
            if untrusted
            else "check the url, the network and the proxy variables",
        )

    def check(self, answer: requests.Response, url: str) -> None:
        """Raise unless the server has the file; see `get`."""
        status = answer.status_code
        if status in MISSING:
            raise SourceError("the server does not have this file", where=shown(url), why=f"status {status}")
        if status in RETRIED:
            why = f"status {status} ({counted(self.tries, 'try', 'tries')})"
            raise NetworkError("the server has an error", where=shown(url), why=why)
        if not answer.ok:
            hint = "are the credentials set?" if status in DENIED else None
            raise NetworkError("the server refuses", where=shown(url), why=f"status {status}", hint=hint)
