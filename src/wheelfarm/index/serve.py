"""Serve the wheelhouse's static simple index over HTTP on the loopback interface."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Thread
from typing import TYPE_CHECKING

from wheelfarm.errors import NetworkError, UsageError
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = get_logger(__name__)


class _Handler(SimpleHTTPRequestHandler):
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
