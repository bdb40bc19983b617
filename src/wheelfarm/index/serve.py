"""A small server for the wheelhouse: for trying things out, and for a few machines of a team.

Pages are negotiated as PEP 691 has it; only the simple indexes and the wheels are shown.
"""

from __future__ import annotations

import hmac
import os
import re
import shutil
import sys
from base64 import b64decode
from binascii import Error
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote, urlsplit

from wheelfarm.errors import NetworkError, SettingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


_BCRYPT: Final = re.compile(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True)
class Passwords:
    """Users and what bcrypt makes of their passwords."""

    users: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file with a line `user:hash` for each user.

        Raises:
            SettingsError: when it cannot be read, is empty, or holds something else than bcrypt's hashes; and
                when bcrypt is not installed.
        """
        if find_spec("bcrypt") is None:
            raise SettingsError("bcrypt is not installed", hint="pip install 'wheelfarm[index]'")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                "the password file cannot be read", where=str(path), why=type(error).__name__, hint=_HINT
            ) from None
        users: dict[str, bytes] = {}
        for number, line in enumerate(lines, 1):
            user, colon, hashed = line.strip().partition(":")
            if not user or user.startswith("#"):
                continue
            if not colon or not _BCRYPT.fullmatch(hashed):
                # The line itself is not shown: it may hold a password.
                raise SettingsError(
                    "this is no password that bcrypt has hashed", where=f"{path}: line {number}", hint=_HINT
                )
            users[user] = hashed.encode()
        if not users:
            raise SettingsError("the password file names nobody", where=str(path), hint=_HINT)
        return cls(users)

    def admit(self, authorization: str) -> bool:
        """Whether an Authorization header (RFC 7617, Basic) is that of a user."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, colon, password = b64decode(encoded, validate=True).decode().partition(":")
        except (Error, UnicodeDecodeError):
            return False
        hashed = self.users.get(user)
        return scheme.lower() == "basic" and bool(colon) and hashed is not None and _fits(password, hashed)


@lru_cache(maxsize=64)
def _fits(password: str, hashed: bytes) -> bool:
    """Bcrypt is slow on purpose, and an installer asks for many files."""
    import bcrypt  # noqa: PLC0415 - only a server with a password file needs it

    return hmac.compare_digest(bcrypt.hashpw(password.encode()[:72], hashed), hashed)


_HINT: Final = "htpasswd -B -c FILE USER writes one"


JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = "application/vnd.pypi.simple.v1+html"
_LEGACY: Final = "text/html"
_SHOWN: Final = re.compile(
    r"/(?P<variant>[A-Za-z0-9][\w.-]*)/"
    r"(?P<file>simple/(?:(?P<project>[a-z0-9][a-z0-9-]*)/)?|wheels/[0-9a-f]+/[^/\\]+\.whl(?:\.metadata)?)"
)


_UNSLASHED: Final = re.compile(r"/[\w.-]+/simple(/[a-z0-9-]+)?")


def preferred(accept: str) -> str:
    """Which form of a page an Accept header asks for (PEP 691); HTML for whoever says nothing of it."""
    forms: dict[str, float] = {}
    for part in accept.split(","):
        media, *parameters = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        forms[media.lower()] = float(weight) if re.fullmatch(r"[01](\.\d{1,3})?", weight) else 0.0
    ranked = ((forms.get(form, 0.0), form) for form in (JSON, HTML, _LEGACY))
    quality, form = max(ranked, key=lambda pair: pair[0])
    return form if quality else _LEGACY


def find(root: Path, path: str, accept: str) -> tuple[Path, str] | None:
    """The file behind a path of a request, and its type; None for what is not shown."""
    shown = _SHOWN.fullmatch(unquote(urlsplit(path).path))
    if shown is None:
        return None
    place = root / shown["variant"] / shown["file"]
    if not shown["file"].startswith("simple/"):
        kind = "text/plain; charset=utf-8" if place.suffix == ".metadata" else "application/octet-stream"
        return (place, kind) if place.is_file() else None
    form = preferred(accept)
    page = place / ("index.json" if form == JSON else "index.html")
    return (page, form if form == JSON else f"{form}; charset=utf-8") if page.is_file() else None


class _Server(ThreadingHTTPServer):
    """A wheelhouse that is served, and to whom.

    Args:
        address: host and port.
        root: the wheelhouse.
        passwords: who may read; None for everybody.
        say: hears of requests.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], root: Path, passwords: Passwords | None, say: Callable[[str], None]
    ) -> None:
        self.root, self.passwords, self.say = root, passwords, say
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: tuple[str, int]) -> None:
        """Tell of a connection that broke off in one line; the base prints how it came to that."""
        del request
        self.say(f"{client_address[0]} {sys.exception()!r}")


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    server_version = "wheelfarm"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a page or a file; to HEAD without a body."""
        passwords = self.server.passwords
        if passwords is not None and not passwords.admit(self.headers.get("Authorization", "")):
            self._refuse(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="wheelhouse"'})
            return
        path = urlsplit(self.path).path
        found = find(self.server.root, path, self.headers.get("Accept", ""))
        if found is not None:
            self._send(*found)
        elif _UNSLASHED.fullmatch(path):
            self._refuse(HTTPStatus.MOVED_PERMANENTLY, {"Location": f"{path}/"})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, {})

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def _send(self, place: Path, kind: str) -> None:
        # Opened once: a page that is replaced meanwhile is sent as it was.
        try:
            file = place.open("rb")
        except OSError:  # removed since it was found
            self._refuse(HTTPStatus.NOT_FOUND, {})
            return
        with file:
            known = os.fstat(file.fileno())
            self._begin(
                HTTPStatus.OK,
                {
                    "Content-Type": kind,
                    "Content-Length": str(known.st_size),
                    "Last-Modified": formatdate(known.st_mtime, usegmt=True),
                    "Vary": "Accept",
                },
            )
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile)

    def _refuse(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        text = f"{status.value} {status.phrase}\n".encode()
        self._begin(status, {**headers, "Content-Type": "text/plain", "Content-Length": str(len(text))})
        if self.command != "HEAD":
            self.wfile.write(text)

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Tell of a request; its headers, which hold passwords, are not told."""
        self.server.say(f"{self.address_string()} {format % args}")


def check_host(host: str, passwords: Passwords | None) -> None:
    """Whether this server may be reached at a host.

    Raises:
        UsageError: when others could reach it and nobody has to give a password.
    """
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and passwords is None:
        raise UsageError(
            f"{host} can be reached from other machines",
            why="whoever reaches the server would read all wheels",
            hint="say --passwords FILE, or leave out --host",
        )


@contextmanager
def serving(
    root: Path, *, host: str, port: int, passwords: Passwords | None, say: Callable[[str], None]
) -> Iterator[str]:
    """Serve a wheelhouse for the block; gives the url.

    Raises:
        UsageError: when others could reach it and nobody has to give a password.
        NetworkError: when the host or the port cannot be used.
    """
    check_host(host, passwords)
    try:
        server = _Server((host, port), root, passwords, say)
    except (OSError, OverflowError) as error:
        raise NetworkError(
            f"cannot listen on {host} port {port}", why=str(error), hint="choose another --port"
        ) from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
