"""Hostile servers: endless and slow answers, pages that unpack to much or nest deeply, links to files."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.raised import only
from support.servers import Reply, index_server
from wheelfarm.errors import FarmError, NetworkError, SourceError
from wheelfarm.index.client import IndexClient
from wheelfarm.model import Archive, Digest, Limits, Name, Sdist
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.project import Project
from wheelfarm.sources.simple_page import read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEMO = Name("demo")
ZEROS = Digest("0" * 64)
JSON = "application/vnd.pypi.simple.v1+json"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with each connection whatever it likes; gives its url."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            try:
                answer(connection)
            except OSError:
                return  # the client has had enough

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.close()


def endless(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(bytes(1 << 16))


def endless_redirect(connection: socket.socket) -> None:
    connection.sendall(REDIRECT)
    while True:
        connection.sendall(bytes(1 << 16))


def endless_in_chunks(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def drip(*head: bytes) -> Callable[[socket.socket], None]:
    """Bytes that come one by one, much faster than any limit for silence."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"".join(head))
        while True:
            connection.sendall(b"1")
            time.sleep(0.05)

    return answer


SMALL = Limits(page=1 << 20, download=1 << 21, page_time=0.5, download_time=0.5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpClient, "backoff", 0.01)


@pytest.mark.parametrize("answer", [endless, endless_in_chunks])
def test_an_endless_answer(answer: Callable[[socket.socket], None], tmp_path: Path) -> None:
    with raw_server(answer) as url:
        fetcher = Fetcher(cache=tmp_path, index_url=url, limits=SMALL)
        error = only(lambda: fetcher.source(DEMO, Sdist(version="1.0", sha256=ZEROS)), NetworkError)
        assert (error.what, error.retryable) == ("the answer has more than 1,048,576 bytes", False)
        archive = Archive(version="1.0", url=f"{url}demo.tar.gz", sha256=ZEROS)
        error = only(lambda: fetcher.source(DEMO, archive), NetworkError)
        assert error.what == "the answer has more than 2,097,152 bytes"
        assert "raise `download` in [tool.wheelfarm.limits]" in str(error.hint)
        assert str(error.where).startswith(url)
        client = IndexClient(index_url=url, limits=SMALL)
        only(lambda: client.find(url), NetworkError)
        only(lambda: client.call("POST", url), NetworkError)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_redirect_with_an_endless_body(tmp_path: Path) -> None:
    with raw_server(endless_redirect) as url:
        fetcher = Fetcher(cache=tmp_path, index_url=url, limits=SMALL)
        archive = Archive(version="1.0", url=f"{url}demo.tar.gz", sha256=ZEROS)
        for source in (Sdist(version="1.0", sha256=ZEROS), archive):
            error = only(lambda source=source: fetcher.source(DEMO, source), NetworkError)  # type: ignore[misc]
            assert error.what == "the answer has more than 1,048,576 bytes"


@pytest.mark.parametrize(
    "answer",
    [
        drip(HEAD + b"Content-Length: 1000000\r\n\r\n"),
        drip(HEAD + b"\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"),
        drip(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 1000)[:20]),
        drip(HEAD + b"X-Slow: "),
        drip(b"HTTP/1.1 200 "),
        drip(REDIRECT),
        drip(),
    ],
)
def test_a_drip_ends_at_the_time_limit(answer: Callable[[socket.socket], None], tmp_path: Path) -> None:
    with raw_server(answer) as url:
        began = time.monotonic()
        error = only(lambda: IndexClient(index_url=url, limits=SMALL).find(url), NetworkError)
        assert (error.what, error.why) == (
            "the answer takes too long",
            "it was not complete after 0.5 s",
        )
        assert "raise `page-time` in [tool.wheelfarm.limits]" in str(error.hint)
        archive = Archive(version="1.0", url=f"{url}demo.tar.gz", sha256=ZEROS)
        error = only(
            lambda: Fetcher(cache=tmp_path, index_url=url, limits=SMALL).source(DEMO, archive), NetworkError
        )
        assert error.what == "the answer takes too long"
        assert time.monotonic() - began < 20


def test_a_page_that_unpacks_to_much() -> None:
    with index_server() as server:
        body = gzip.compress(bytes(50 << 20))
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/html"}
        server.replies["/simple/demo/"].append(Reply(body, headers=headers))
        client = HttpClient(index_url=server.url, limits=SMALL)
        error = only(lambda: Project.read(DEMO, client), NetworkError)
        assert error.what == "the answer has more than 1,048,576 bytes"
        assert "unpack" in str(error.why)


NESTED: dict[str, tuple[Callable[[int], bytes], int]] = {
    "div": (lambda times: b"<div>" * times, 200_000),
    "div-and-ends": (lambda times: b"<div>" * times + b"</p>" * (3 * times), 50_000),
    "a": (lambda times: b"<a href=x>x" * times, 16_000),  # each of them is a link
    "a-and-b": (lambda times: b"<a href=x>" + b"x<b>" * times, 250_000),
    "comment": (lambda times: b"<!--" * times, 200_000),
    "tag": (lambda times: b"<a " * times, 300_000),
}


def seconds_to_read(body: bytes) -> float:
    link = b'<a href="demo-1.0.tar.gz">demo-1.0.tar.gz</a>'
    began = time.process_time()
    files = read_page(link + body, "text/html", url="https://index.invalid/", name="demo")
    seconds = time.process_time() - began
    assert files[0].filename == "demo-1.0.tar.gz"
    return seconds


@pytest.mark.parametrize(("nested", "times"), NESTED.values(), ids=NESTED.keys())
def test_a_deeply_nested_page_takes_linear_time(nested: Callable[[int], bytes], times: int) -> None:
    """A page that is 8 times as long takes about 8 times as long, not 64."""
    short = max(seconds_to_read(nested(times // 8)) for _ in range(2))
    assert seconds_to_read(nested(times)) < 0.1 + 20 * short


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, b"[" * 100_000),
        (JSON, b'{"meta": {"api-version": "1.0"}, "name": "demo", "files": ' + b"[" * 50_000),
        (JSON, b'{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"size": NaN}]}'),
        (JSON, b'{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"size": 1e999}]}'),
        (JSON, b'{"meta": {"api-version": "9.0"}, "name": "demo", "files": []}'),
        (JSON, b'{"meta": 1, "name": [], "files": {}}'),
        (JSON, b"\xff"),
        (JSON, b"9" * 10_000),
        *(
            (f"text/html; charset={each}", b"<a href=x>x</a>")
            for each in ("klingon", "uu", "zlib", "punycode")
        ),
        ("text/html", b'<meta name="pypi:repository-version" content="9.0">'),
        ("application/pdf", b""),
    ],
)
def test_a_hostile_page_is_a_source_error(kind: str, body: bytes) -> None:
    with index_server() as server:
        server.replies["/simple/demo/"].append(Reply(body, headers={"Content-Type": kind}))
        error = only(lambda: Project.read(DEMO, HttpClient(index_url=server.url, limits=SMALL)), SourceError)
        assert error.what == "the page of demo cannot be read"


def test_a_page_of_a_server_may_not_link_to_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "demo-1.0.tar.gz"
    secret.write_bytes(b"secret")
    pinned = Digest(digest(b"secret"))
    with index_server() as server:
        link = f'<a href="{secret.as_uri()}#sha256={pinned}">demo-1.0.tar.gz</a>'.encode()
        server.replies["/simple/demo/"].append(Reply(link, headers={"Content-Type": "text/html"}))
        fetcher = Fetcher(cache=tmp_path / "cache", index_url=server.url, limits=SMALL)
        error = only(lambda: fetcher.source(DEMO, Sdist(version="1.0", sha256=pinned)), SourceError)
        assert error.what == "the index links to a file of this machine"
        client = IndexClient(index_url=server.url, limits=SMALL)
        only(lambda: client.fetch(secret.as_uri(), tmp_path / "x"), SourceError)
    # A recipe may name one, and an index in a directory has no other links.
    assert fetcher.source(DEMO, Archive(version="1.0", url=secret.as_uri(), sha256=pinned)).sha256 == pinned


def test_redirects_do_not_lead_to_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with index_server() as server:
        reply = Reply(status=302, headers={"Location": secret.as_uri()})
        server.replies["/demo.tar.gz"].append(reply)
        url = f"http://{server.host}/demo.tar.gz"
        with pytest.raises(FarmError):
            Fetcher(cache=tmp_path / "cache", index_url=server.url, limits=SMALL).source(
                DEMO, Archive(version="1.0", url=url, sha256=ZEROS)
            )


def test_json_with_a_link_of_another_host_works(tmp_path: Path) -> None:
    with index_server() as server:
        file = {"filename": "demo-1.0.tar.gz", "url": f"http://{server.host}/x", "hashes": {}}
        page = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [file]}
        server.replies["/simple/demo/"].append(
            Reply(json.dumps(page).encode(), headers={"Content-Type": JSON})
        )
        server.replies["/x"].append(Reply(b"body"))
        pinned = Digest(digest(b"body"))
        fetcher = Fetcher(cache=tmp_path, index_url=server.url, limits=SMALL)
        assert fetcher.source(DEMO, Sdist(version="1.0", sha256=pinned)).path.read_bytes() == b"body"
