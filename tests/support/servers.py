"""A simple index on the loopback interface that can misbehave."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from support.archives import digest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

NO_DATES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Reply:
    """One answer; `cut` leaves that many bytes of the body out, `length` says how many there should be."""

    body: bytes = b""
    status: int = 200
    cut: int = 0
    length: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


class IndexServer:
    """Serves HTML pages with relative links, and records all requests.

    `replies` maps a path to the answers still to be given; the last one is given for ever.
    """

    def __init__(self) -> None:
        self.host = ""
        self.replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.received: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Where the index begins."""
        return f"http://{self.host}/simple/"

    @property
    def paths(self) -> list[str]:
        """The requested paths."""
        return [path for path, _ in self.received]

    def add(
        self, project: str, files: Mapping[str, bytes], *, digests: Mapping[str, str] | None = None
    ) -> None:
        """Put a project on the index; other digests than the true ones (empty for none) can be given."""
        self.replies[f"/simple/{project}/"].append(
            Reply(project_page(files, digests or {}), headers={"Content-Type": "text/html; charset=utf-8"})
        )
        for name, content in files.items():
            self.replies[f"/files/{name}"].append(Reply(content))

    def answer(self, path: str) -> Reply:
        """The next answer for a path."""
        replies = self.replies.get(path)
        if not replies:
            return Reply(status=404)
        return replies.popleft() if len(replies) > 1 else replies[0]


def project_page(
    files: Mapping[str, bytes],
    digests: Mapping[str, str],
    base: str = "../../files/",
    dates: Mapping[str, str] = NO_DATES,
) -> bytes:
    """The page of a project as PEP 503 has it, without sizes, and with dates where there are some."""
    lines = ["<!DOCTYPE html><html><body>"]
    for name, content in files.items():
        sha256 = digests.get(name, digest(content))
        fragment = f"#sha256={sha256}" if sha256 else ""
        yanked = ' data-yanked="broken"' if "yanked" in name else ""
        date = f' data-upload-time="{dates[name]}"' if name in dates else ""
        lines.append(f'<a href="{base}{name}{fragment}"{yanked}{date}>{name}</a><br/>')
    return "\n".join([*lines, "</body></html>"]).encode()


@contextmanager
def index_server(tls: ssl.SSLContext | None = None) -> Iterator[IndexServer]:
    """Run an index server in a thread; over TLS where there is a context for it."""
    index = IndexServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.received.append((self.path, dict(self.headers)))
            reply = index.answer(self.path.partition("?")[0])
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.length:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) - reply.cut])

        do_PUT = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(Handler, tls) as host:
        index.host = host
        yield index


@contextmanager
def directory_server(root: Path) -> Iterator[str]:
    """Serve the files below a directory; gives the host."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(partial(Handler, directory=str(root))) as host:
        yield host


@contextmanager
def git_server(root: Path, *, login: str) -> Iterator[str]:
    """Serve the repositories below a directory to those who log in with `user:password`; gives the host."""
    wanted = f"Basic {base64.b64encode(login.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            # git's own server is a CGI program (RFC 3875).
            env = {
                "PATH": os.defpath,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            done = subprocess.run(
                ["git", "http-backend"], env=env, input=body, stdout=subprocess.PIPE, check=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(Handler) as host:
        yield host


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that breaks off is none of a test's business."""


@contextmanager
def served(
    handler: Callable[..., BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run a server in a thread; gives its host and port."""
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
