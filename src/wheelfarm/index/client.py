"""HTTP client of an index: credentials for its own host alone, retries on transient trouble."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from wheelfarm.errors import NetworkError, PublishError, RefusedError
from wheelfarm.model import Digest
from wheelfarm.sources.urls import shown
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.index.credentials import Credentials

logger = get_logger(__name__)

_TIMEOUT: Final = (10.0, 60.0)
"""Seconds for a connection, and for a response."""
_LONGEST: Final = 60.0
"""Longest pause in seconds that a server may request."""
_HOPS: Final = 5
_CHUNK: Final = 1024**2  # bytes
MISSING: Final = frozenset({404, 410})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's name for a certificate of an unknown authority: another try does not help."""
_TROUBLE: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)


def passes(status: int) -> bool:
    """Whether another try may get another status."""
    return status == 429 or status >= 500  # noqa: PLR2004 - RFC 6585 and RFC 9110


def refusal(what: str, url: str, status: int, text: str = "") -> RefusedError:
    """The error for a response that is not a success."""
    hints = {
        **dict.fromkeys(_REDIRECTS, "the index redirects: write the new url in pyproject.toml"),
        401: "check TWINE_USERNAME and TWINE_PASSWORD, netrc or keyring",
        403: "check the user, the password and what this user may do",
        413: "the server takes no files of this size: raise its limit",
        429: "wait, and publish again: it goes on where it stopped",
        507: "the server's disk is full: free some space there, and publish again",
    }
    hint = hints.get(status, "the server's own log says why" if passes(status) else None)
    said = " ".join(text.split())[:200]
    why = f"status {status}{f': {said}' if said else ''}"
    error = RefusedError(what, where=shown(url), why=why, hint=hint)
    error.status, error.retryable = status, passes(status)
    return error


@dataclass
class Client:
    """An HTTP client for one index.

    Args:
        base: the index; only its host gets the credentials.
        credentials: of the user.
        authorities: file of trusted certificates; by default those of requests.
        tries: number of tries while the trouble may be transient.
        pause: seconds before the second try; each further pause is twice as long.
    """

    base: str
    credentials: Credentials | None
    authorities: str | None = None
    tries: int = 4
    pause: float = 0.5
    _session: requests.Session = field(default_factory=requests.Session)

    def get(self, url: str, *, accept: str = "*/*") -> requests.Response | None:
        """Get a url of the index; None when it does not exist, or when the index redirects to another host.

        Some servers redirect requests for an unknown project to the public index.

        Raises:
            NetworkError: when the server cannot be reached.
            PublishError: when it refuses or has trouble, or redirects to another scheme.
        """
        for _ in range(_HOPS):
            answer = self._ask("GET", url, headers={"Accept": accept})
            if answer.status_code in MISSING:
                return None
            if answer.status_code not in _REDIRECTS:
                return self._good(answer)
            there = urljoin(url, answer.headers.get("Location", ""))
            if not self._own(there):
                self._check_elsewhere(url, there)
                return None
            url = there
        raise PublishError("the index redirects in a circle", where=shown(url))

    def _check_elsewhere(self, url: str, there: str) -> None:
        """Raise if the index redirects to another scheme: it is not an empty index."""
        ours, theirs = urlsplit(self.base), urlsplit(there)
        if ours.hostname == theirs.hostname and ours.scheme != theirs.scheme:
            raise PublishError(
                f"the index answers only to {theirs.scheme}",
                where=shown(url),
                why=f"it redirects to {shown(there)}",
                hint="write that url in pyproject.toml",
            )

    def download(self, url: str, path: Path) -> Digest:
        """Download a url to a file, over any redirects, and return its sha256.

        Raises:
            NetworkError: when it cannot be reached, or breaks off at each try.
            PublishError: when it is not there, or the server refuses.
        """
        for _ in range(_HOPS):
            for left in reversed(range(self.tries)):
                answer = self._ask("GET", url, headers={"Accept": "*/*"}, stream=True)
                if answer.status_code in _REDIRECTS:
                    break
                try:
                    return self._written(self._good(answer), path)
                except _TROUBLE as error:
                    if not left:
                        raise NetworkError(
                            "a file of the index breaks off", where=shown(url), why=_innermost(error)
                        ) from None
                    logger.info("%s: %s; once more", shown(url), _innermost(error))
            url = urljoin(url, answer.headers.get("Location", ""))
        raise PublishError("the index redirects in a circle", where=shown(url))

    @staticmethod
    def _written(answer: requests.Response, path: Path) -> Digest:
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                digest.update(chunk)
                size += file.write(chunk)
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and "Content-Encoding" not in answer.headers and size != int(length):
            raise requests.exceptions.ChunkedEncodingError(f"{size} of {length} bytes")
        return Digest(digest.hexdigest())

    def call(self, method: str, url: str, **more: Any) -> requests.Response:  # noqa: ANN401 - requests' own words
        """Send a request.

        Raises:
            NetworkError: when the server cannot be reached.
            PublishError: when it refuses or has trouble.
        """
        return self._good(self._ask(method, url, **more))

    def head(self, url: str) -> requests.Response:
        """The response to a GET, whatever its status."""
        return self._ask("GET", url, headers={"Accept": "application/json"})

    def _own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.base)[:2]

    def _good(self, answer: requests.Response) -> requests.Response:
        if not answer.ok or answer.status_code in _REDIRECTS:
            what = "the index refuses" if not passes(answer.status_code) else "the index has trouble"
            raise refusal(what, str(answer.url), answer.status_code, _reason(answer))
        return answer

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:  # noqa: ANN401
        auth = (self.credentials.username, self.credentials.password) if self.credentials else None
        for left in reversed(range(self.tries)):
            pause = self.pause * 2 ** (self.tries - left - 1)
            try:
                answer = self._session.request(
                    method,
                    url,
                    auth=auth if self._own(url) else None,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    verify=self.authorities or True,
                    **more,
                )
            except _TROUBLE as error:
                reason, untrusted = _innermost(error), _UNTRUSTED in str(error)
                if untrusted or not left:
                    raise NetworkError(
                        "the index could not be reached",
                        where=shown(url),
                        why=f"{reason} ({_counted(self.tries - left)})",
                        hint="name the file of its authority's certificate in TWINE_CERT"
                        if untrusted
                        else "check the url, the network and the proxy variables",
                    ) from None
            except requests.RequestException as error:
                why = type(error).__name__
                raise NetworkError("this url cannot be used", where=shown(url), why=why) from None
            else:
                if not left or not passes(answer.status_code):
                    return answer
                reason = f"status {answer.status_code}"
                pause = max(pause, _retry_after(answer))
            logger.info("%s: %s; once more in %g s", shown(url), reason, pause)
            time.sleep(pause)
        raise AssertionError  # pragma: no cover


def _counted(tries: int) -> str:
    return "1 try" if tries == 1 else f"{tries} tries"


def _reason(answer: requests.Response) -> str:
    """The reason that a server gives in JSON, as devpi does."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason or "")


def _retry_after(answer: requests.Response) -> float:
    """The seconds in Retry-After (RFC 9110); a date counts as none."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _LONGEST) if text.isdecimal() else 0.0


def _innermost(error: Exception) -> str:
    """The innermost cause; the outer ones repeat the url."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, Exception):
            return str(error)
        error = inner
