"""What `index.serve` does with links, ranges, bodies and odd paths."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from wheelfarm.index.serve import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Answer = tuple[int, bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "wheelhouse"
    (root / "simple").mkdir(parents=True)
    (root / "simple" / "a.txt").write_bytes(b"0123456789")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "simple" / "in").symlink_to(root / "simple" / "a.txt")
    return root


@pytest.fixture
def connection(root: Path) -> Iterator[http.client.HTTPConnection]:
    with serving(root, host="127.0.0.1", port=0) as url:
        yield http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)


def ask(
    connection: http.client.HTTPConnection, path: str, *, body: bytes | None = None, **headers: str
) -> Answer:
    sent: Mapping[str, str] = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request("GET", path, body, dict(sent))
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_links_may_not_lead_out(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/simple/in") == (200, b"0123456789")
    for path in (
        "/out",
        "/up/secret",
        "/up/",
        "/../secret",
        "/%2e%2e/secret",
        "/simple/%00",
        "/" + "a" * 5000,
    ):
        status, body = ask(connection, path)
        assert (status, b"secret" in body) == (404, False), path


def test_a_range_gets_the_whole_file(connection: http.client.HTTPConnection) -> None:
    """As RFC 9110 has it for a server that knows no ranges; installers accept that."""
    assert ask(connection, "/simple/a.txt", Range="bytes=2-3") == (200, b"0123456789")


@pytest.mark.parametrize("size", [10, 60_000])
def test_a_body_is_no_second_request(connection: http.client.HTTPConnection, size: int) -> None:
    body = (b"GET /nothing HTTP/1.1\r\n\r\n" * size)[:size]
    assert ask(connection, "/simple/a.txt", body=body, Connection="keep-alive") == (200, b"0123456789")
    assert ask(connection, "/simple/a.txt", Content_Length="x") == (200, b"0123456789")
    assert ask(connection, "/simple/in")[0] == 200
