"""A proxy before a real index server, which does the harm that networks and servers do."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_CHUNK = 1 << 12


@dataclass
class Fault:
    """Harm to some requests.

    Args:
        method: to which kind of requests; to all for `*`.
        times: how many of them; the others pass.
        after: how many pass first.
        status: this answer instead of the server's; the server sees nothing.
        cut: the connection breaks after so many bytes of the request's body, on both sides.
        cut_answer: the server does what the request says, and the answer is lost.
        contains: only requests whose path or body has this in it.
    """

    method: str = "POST"
    times: int = 1
    after: int = 0
    status: int | None = None
    cut: int | None = None
    cut_answer: bool = False
    contains: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Proxy:
    """Passes requests on, but for those that a fault is for; records all requests."""

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    on_request: Callable[[str, str], None] = lambda _method, _path: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, method: str, path: str, body: bytes) -> Fault | None:
        """The harm for the next request, if there is any."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.method in {method, "*"} and fault.contains in path.encode() + body and fault.times:
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def count(self, method: str) -> int:
        """How many requests of a kind there were."""
        return sum(sent == method for sent, _ in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: Proxy

    def handle_error(self, *_: object) -> None:
        """A connection that broke is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        state = self.server.state
        length = int(self.headers.get("Content-Length", 0))
        first = self.rfile.read(min(length, _CHUNK))
        fault = state.fault(self.command, self.path, first)
        if fault is not None and fault.cut is not None:
            self._send_some(first, length, fault.cut)
            return
        body = first + self.rfile.read(length - len(first))
        state.on_request(self.command, self.path)
        if fault is not None and fault.status is not None:
            self._reply(fault.status, fault.headers, b"")
            return
        answer, content = self._ask(body)
        if fault is not None and fault.cut_answer:
            self._drop()
            return
        headers = {
            key: value.replace(self._upstream, self.headers["Host"])
            for key, value in answer.getheaders()
            if key.lower() not in {"content-length", "transfer-encoding", "connection"}
        }
        if self.command == "HEAD" and answer.getheader("Content-Length"):
            headers["Content-Length"] = str(answer.getheader("Content-Length"))
        self._reply(answer.status, headers, content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass  # noqa: N815 - the names are http.server's

    @property
    def _upstream(self) -> str:
        return urlsplit(self.server.state.upstream).netloc

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """The server's own answer."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "connection"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def _send_some(self, first: bytes, length: int, cut: int) -> None:
        """Give the server the head and some bytes of the body, and then nothing any more."""
        host, _, port = self._upstream.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as server:
            head = f"{self.command} {self.path} HTTP/1.1\r\n"
            head += "".join(f"{key}: {value}\r\n" for key, value in self.headers.items())
            server.sendall(head.encode() + b"\r\n")
            body = first + self.rfile.read(max(0, min(length, cut) - len(first)))
            server.sendall(body[:cut])
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            # A reset rather than an end, as from a machine that was switched off.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def _reply(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before a server."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.state = Proxy(upstream, f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
