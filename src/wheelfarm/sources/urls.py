"""Parts of urls: credentials, hosts, and the form without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from wheelfarm.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping


def shown(url: str) -> str:
    """A url for messages: without credentials and query, which may have a token."""
    return urlunsplit(urlsplit(without_credentials(url))._replace(query="", fragment=""))


def secrets_of(url: str) -> tuple[str, ...]:
    """The secrets in a url: user and password; the user of ssh is none."""
    parts = urlsplit(url)
    return tuple(
        unquote(secret)
        for secret in (parts.password, parts.username if parts.scheme != "ssh" else None)
        if secret
    )


def local_path(url: str) -> Path | None:
    """The file behind a `file:` url; None for any other."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    from urllib.request import url2pathname  # noqa: PLC0415 - it brings a client of HTTP along

    return Path(url2pathname(parts.path))


def index_or_default(index_url: str | None) -> str:
    """The url of the index; where nobody names one, that of PyPI."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415 - slow to import

    return index_url or PYPI_SIMPLE_ENDPOINT


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """The url on the mirror that a site has for it; the url itself where there is none.

    Args:
        url: of a repository or a file. Its credentials are not for a mirror.
        mirrors: beginning of a url, which ends where a part of its path does → what takes its place. The
            longest one counts, as in git's `url.<base>.insteadOf` (git-config documentation).
    """
    plain = without_credentials(url)
    for beginning in sorted(mirrors, key=len, reverse=True):
        base = beginning.rstrip("/")
        if plain == base or plain.startswith(f"{base}/"):
            return mirrors[beginning].rstrip("/") + plain.removeprefix(base)
    return url


def offline_error(url: str, why: str | None = None) -> NetworkError:
    """The error for a request while the farm is offline."""
    error = NetworkError(
        "the cache does not hold this, and the farm is offline",
        where=shown(url),
        why=why,
        hint="run once without `offline`, or copy the cache of a machine that has it",
    )
    error.retryable = False
    return error


def without_credentials(url: str) -> str:
    """A url without its user and password."""
    return urlunsplit(urlsplit(url)._replace(netloc=host_of(url)[1]))


def host_of(url: str) -> tuple[str, str]:
    """The scheme and the host of a url, with its port."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2]


def credentials_of(url: str) -> tuple[str, str] | None:
    """The user and the password in a url; None when it holds neither."""
    parts = urlsplit(url)
    return (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
