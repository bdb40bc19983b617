"""HTTP client of an index, and the credentials that it sends: found where users of twine keep them."""

from __future__ import annotations

import netrc
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from wheelfarm.errors import ProcessError, PublishError, RefusedError
from wheelfarm.sources.cache import write_chunks
from wheelfarm.sources.network import MISSING, RETRIED, HttpClient
from wheelfarm.sources.urls import host_of, shown
from wheelfarm.system.environment import which
from wheelfarm.system.files import parse_json
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests

    from wheelfarm.model import Digest

_HOPS: Final = 5
_KEYRING: Final = 60.0
"""Seconds for the keyring, which may have to ask the user."""
_SUCCESSES: Final = range(200, 300)
_HINTS: Final = {
    **dict.fromkeys(range(300, 400), "the index redirects: write the new url in pyproject.toml"),
    **dict.fromkeys(RETRIED, "the server's own log says why"),
    401: "check TWINE_USERNAME and TWINE_PASSWORD, netrc or keyring",
    403: "check the user, the password and what this user may do",
    413: "the server takes no files of this size: raise its limit",
    429: "wait, and publish again: it goes on where it stopped",
    507: "the server's disk is full: free some space there, and publish again",
}


def refusal(what: str, url: str, status: int, text: str = "") -> RefusedError:
    """The error for a response that is not a success."""
    reason = " ".join(text.split())[:200]
    why = f"status {status}{f': {reason}' if reason else ''}"
    error = RefusedError(what, where=shown(url), why=why, hint=_HINTS.get(status))
    error.status, error.retryable = status, status in RETRIED
    return error


@dataclass(frozen=True, kw_only=True)
class IndexClient(HttpClient):
    """An HTTP client of one index."""

    timeout: float | tuple[float, float] = (10.0, 60.0)

    def check(self, answer: requests.Response, url: str) -> None:
        """Raise RefusedError unless the answer is a success; nothing follows a redirect of `call`."""
        del url  # where files lie in a store, the answer has another
        if answer.status_code not in _SUCCESSES:
            what = "the index has trouble" if answer.status_code in RETRIED else "the index refuses"
            raise refusal(what, answer.url, answer.status_code, _reason(answer))

    def call(self, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 - of requests
        """Send a request.

        Raises:
            NetworkError: when the server cannot be reached.
            RefusedError: when it answers with an error or a redirect.
        """
        answer = self.request(method, url, allow_redirects=False, **options)
        self.check(answer, url)
        return answer

    def find(self, url: str, *, accept: str = "*/*") -> requests.Response | None:
        """Get a url of the index; None when it does not exist, or when the index redirects to another host.

        Some servers redirect requests for an unknown project to the public index.

        Raises:
            NetworkError: when the server cannot be reached.
            PublishError: when it refuses, or redirects in a circle or to another scheme.
        """
        for _ in range(_HOPS):
            headers = {"Accept": accept}
            answer = self.consume(url, self.read_whole, allow_redirects=False, headers=headers)
            if answer.status_code in MISSING:
                return None
            if not answer.is_redirect:
                self.check(answer, url)
                return answer
            there = urljoin(url, answer.headers["Location"])
            if host_of(there) != host_of(self.index_url):
                self._check_scheme(url, there)
                return None
            url = there
        raise PublishError("the index redirects in a circle", where=shown(url))

    def _check_scheme(self, url: str, there: str) -> None:
        """Raise if the index redirects to another scheme: it is not an empty index."""
        ours, theirs = urlsplit(self.index_url), urlsplit(there)
        if ours.hostname == theirs.hostname and ours.scheme != theirs.scheme:
            raise PublishError(
                f"the index answers only to {theirs.scheme}",
                where=shown(url),
                why=f"it redirects to {shown(there)}",
                hint="write that url in pyproject.toml",
            )

    def fetch(self, url: str, path: Path) -> Digest:
        """Write a file of the index to a path, over any redirects, and return its sha256.

        Raises:
            NetworkError: when it cannot be reached, or the connection breaks at each try.
            RefusedError: when it is not there, or the server refuses.
        """

        def write(chunks: Iterable[bytes]) -> Digest:
            with path.open("wb") as file:
                return write_chunks(file, chunks)

        self.check_link(url)
        return self.download(url, write)


def _reason(answer: requests.Response) -> str:
    """The reason that a server gives in JSON, as devpi does."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason or "")


@dataclass(frozen=True)
class Credentials:
    """A user and a password, or a token in its place."""

    username: str
    password: str = field(repr=False)
    origin: str
    """Where they were found."""


def find_credentials(url: str, environ: Mapping[str, str], env: Mapping[str, str]) -> Credentials | None:
    """The credentials for an index: from TWINE_USERNAME and TWINE_PASSWORD, netrc or the keyring.

    Args:
        url: the index.
        environ: the user's environment.
        env: the environment in which `keyring` is found and run.

    Returns:
        None without any: an index may need none.

    Raises:
        PublishError: when netrc cannot be read.
    """
    username, password = environ.get("TWINE_USERNAME"), environ.get("TWINE_PASSWORD")
    if password:
        origin = "TWINE_USERNAME and TWINE_PASSWORD" if username else "TWINE_PASSWORD"
        # twine, too, sends a token under this name.
        return Credentials(username or "__token__", password, origin)
    return _from_netrc(url, environ, username) or _from_keyring(url, env, username)


def _from_netrc(url: str, environ: Mapping[str, str], username: str | None) -> Credentials | None:
    host = urlsplit(url).hostname or ""
    for path in filter(Path.is_file, _netrc_files(environ)):
        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except (netrc.NetrcParseError, UnicodeDecodeError, OSError) as error:
            # The parser's message may quote a line, and with it a password.
            raise PublishError(
                "netrc cannot be read", where=str(path), why=type(error).__name__, hint="correct the file"
            ) from None
        if found and found[2] and username in {None, "", found[0]}:
            return Credentials(found[0], found[2], str(path))
    return None


def _netrc_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("NETRC"):
        yield Path(environ["NETRC"])
        return
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home:
        yield from (Path(home) / ".netrc", Path(home) / "_netrc")


def _from_keyring(url: str, env: Mapping[str, str], username: str | None) -> Credentials | None:
    """What the keyring has under the index's url, where twine puts it too."""
    if which("keyring", env) is None:
        return None
    argv = ["keyring", "--mode", "creds", "--output", "json", "get", url, *([username] if username else [])]
    try:
        output = run(Command(argv=tuple(argv), env=env, time_limit=_KEYRING)).output
        found = parse_json(output.strip().rpartition("\n")[2])
        return Credentials(found["username"], found["password"], "keyring")
    except (ProcessError, ValueError, KeyError, TypeError):
        return None  # it has none, or there is no keyring on this machine
