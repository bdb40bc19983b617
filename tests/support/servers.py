"""A simple index on the loopback interface that can misbehave."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from support.archives import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Reply:
    """One answer; `cut` leaves that many bytes of the body out, `length` says how many there should be."""

    body: bytes = b""
    status: int = 200
    cut: int = 0
    length: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


class IndexServer:
    """Serves HTML pages with relative links, and remembers what was asked.

    `replies` maps a path to the answers still to be given; the last one is given for ever.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.url = f"http://{host}/simple/"
        self.replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for path, _ in self.asked]

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


def project_page(files: Mapping[str, bytes], digests: Mapping[str, str], base: str = "../../files/") -> bytes:
    """The page of a project as PEP 503 has it, without sizes and dates."""
    lines = ["<!DOCTYPE html><html><body>"]
    for name, content in files.items():
        sha256 = digests.get(name, digest(content))
        fragment = f"#sha256={sha256}" if sha256 else ""
        yanked = ' data-yanked="broken"' if "yanked" in name else ""
        lines.append(f'<a href="{base}{name}{fragment}"{yanked}>{name}</a><br/>')
    return "\n".join([*lines, "</body></html>"]).encode()


@contextmanager
def index_server() -> Iterator[IndexServer]:
    """Run an index server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append((self.path, dict(self.headers)))
            reply = index.answer(self.path.partition("?")[0])
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.length:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) - reply.cut])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index = IndexServer(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
