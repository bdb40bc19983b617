"""Serve the wheelhouse's static simple index over HTTP on the loopback interface."""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import contextmanager, suppress
from email.message import Message
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, Final

from wheelfarm.errors import NetworkError, UsageError
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    import io
    import os
    from collections.abc import Iterator

logger = get_logger(__name__)

_LARGEST_BODY: Final = 1 << 16
"""Bytes of a request's body that are read and ignored."""
_JSON: Final = "application/vnd.pypi.simple.v1+json"


def prefers_json(accept: str) -> bool:
    """Whether an Accept header ranks the pages of PEP 691 in JSON above those in HTML."""
    ranks = defaultdict[str, float](float)
    for each in accept.split(","):
        header = Message()
        header["Content-Type"] = each.strip()
        with suppress(ValueError):
            ranks[header.get_content_type()] = float(str(header.get_param("q", "1")))
    return ranks[_JSON] > max(ranks["text/html"], ranks["application/vnd.pypi.simple.v1+html"])


class _Handler(SimpleHTTPRequestHandler):
    timeout = 60
    """Seconds for a connection that says nothing."""
    _negotiated = False
    """Whether the page is there in HTML and in JSON."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Refuse what is not a file of the wheelhouse: a link may lead out of it."""
        # No connection stays open: a body is never taken for a request; unread, it would cut off the answer.
        size = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(size), _LARGEST_BODY) if size.isdecimal() else 0)
        root = Path(self.directory).resolve()
        try:
            inside = Path(self.translate_path(self.path)).resolve().is_relative_to(root)
        except (OSError, ValueError):  # a name that no file can have
            inside = False
        if not inside:
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        path, _, query = self.path.partition("?")
        self._negotiated = path.endswith("/") and Path(self.translate_path(f"{path}index.json")).is_file()
        if self._negotiated and prefers_json(self.headers.get("Accept", "")):
            self.path = "?".join((f"{path}index.json", *([query] if query else [])))
        return super().send_head()

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """The type of PEP 691 for a page in JSON; pip reads dates in these only."""
        return _JSON if Path(path).name == "index.json" else super().guess_type(path)

    def end_headers(self) -> None:
        """Tell caches that the answer depends on what the client accepts (PEP 691)."""
        if self._negotiated:
            self.send_header("Vary", "Accept")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        logger.info("%s %s", self.address_string(), format % args)


def check_host(host: str, root: Path) -> None:
    """Raise unless only this machine can reach a host.

    Raises:
        UsageError: with the command that serves other machines.
    """
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"other machines can reach {host}",
            why="this server has no passwords",
            hint=f"pypi-server run -i {host} -P HTPASSWD -a download,list,update {root}/<variant>/wheels, "
            "or publish to a static index behind a web server",
        )


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    """Connections that wait to be accepted: many installers may begin at once; Python's own default is 5."""

    def handle_error(self, _request: object, client_address: tuple[str, int]) -> None:
        """Log a connection that broke off; the base class prints a traceback."""
        logger.info("%s %r", client_address[0], sys.exception())


@contextmanager
def serving(root: Path, *, host: str, port: int) -> Iterator[str]:
    """Serve a wheelhouse until the end of the block; gives the url.

    Raises:
        UsageError: when other machines can reach the host.
        NetworkError: when the host or the port cannot be used.
    """
    check_host(host, root)
    try:
        server = _Server((host, port), partial(_Handler, directory=str(root)))
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
