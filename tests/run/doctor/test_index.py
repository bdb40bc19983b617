"""Indexes that refuse, fail, close the connection, or have a certificate of an unknown authority."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from support.doctor import make_setup
from support.servers import Reply, index_server
from wheelfarm.run.doctor.check import Status
from wheelfarm.run.doctor.index import check_index, check_own_indexes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.run.doctor.check import Check

PAGE = "/simple/alpha/"


def checked(root: Path, url: str, **environ: str) -> Check:
    setup = make_setup(root, environ=environ, table={"index-url": url})
    (check,) = check_index(setup)
    return check


@pytest.mark.parametrize(
    ("status", "finding", "command"),
    [
        (401, "127.0.0.1 wants credentials, and none are set (status 401)", "~/.netrc"),
        (403, "127.0.0.1 wants credentials, and none are set (status 403)", "~/.netrc"),
        (404, "127.0.0.1 has no project alpha (status 404)", "correct index-url"),
        (500, "127.0.0.1 has an error (status 500)", "look into its log"),
        (503, "127.0.0.1 has an error (status 503)", "look into its log"),
    ],
)
def test_an_index_that_refuses(tmp_path: Path, status: int, finding: str, command: str) -> None:
    with index_server() as server:
        server.replies[PAGE].append(Reply(status=status))
        check = checked(tmp_path, server.url)
    assert (check.status, check.finding) == (Status.FAULT, finding)
    assert command in str(check.command)
    # It is a check, not a build: nothing is tried again.
    assert server.paths == [PAGE]


def test_an_index_that_answers(tmp_path: Path) -> None:
    with index_server() as server:
        server.add("alpha", {})
        check = checked(tmp_path, server.url)
    assert (check.status, check.finding) == (Status.OK, "127.0.0.1 answers")
    assert "credentials: none" in check.details


@pytest.mark.parametrize("status", [200, 401])
def test_credentials_are_tried_and_never_shown(tmp_path: Path, status: int) -> None:
    with index_server() as server:
        server.replies[PAGE].append(Reply(status=status))
        url = server.url.replace("://", "://anna:sesame-9@")
        check = checked(tmp_path, url)
    _, headers = server.received[0]
    assert headers["Authorization"].startswith("Basic ")
    assert "sesame-9" not in f"{check}"
    if status == 200:
        assert (check.status, check.finding) == (Status.OK, "127.0.0.1 answers, and accepts the credentials")
    else:
        assert check.status is Status.FAULT
        assert check.finding == "127.0.0.1 does not accept the credentials (status 401)"


def test_an_answer_that_breaks_off(tmp_path: Path) -> None:
    with index_server() as server:
        server.replies[PAGE].append(Reply(b"x" * 100, cut=50))
        check = checked(tmp_path, server.url)
    assert check.status is Status.FAULT
    assert check.finding.startswith("127.0.0.1 cannot be used: ")


@contextmanager
def closing_server() -> Iterator[str]:
    """Accepts connections, and closes each at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_all() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=close_all, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple/"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_closes_the_connection(tmp_path: Path) -> None:
    with closing_server() as url:
        check = checked(tmp_path, url)
    assert check.status is Status.FAULT
    assert check.finding.startswith("127.0.0.1 cannot be used: ")
    assert "curl -v" in str(check.command)


def test_a_certificate_of_an_unknown_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with index_server(context) as server:
        server.add("alpha", {})
        url = server.url.replace("http:", "https:")
        check = checked(tmp_path / "a", url)
        assert check.status is Status.FAULT
        assert check.finding == "127.0.0.1 cannot be used: its certificate is not trusted"
        assert str(check.command).startswith("export REQUESTS_CA_BUNDLE=")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        assert checked(tmp_path / "b", url, REQUESTS_CA_BUNDLE=str(bundle)).status is Status.OK


def test_a_variable_that_names_no_file_of_certificates(tmp_path: Path) -> None:
    check = checked(tmp_path, "https://127.0.0.1:1/simple/", REQUESTS_CA_BUNDLE="/nowhere/ca.pem")
    assert (check.status, check.command) == (Status.FAULT, "unset REQUESTS_CA_BUNDLE")
    assert check.finding == "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which does not exist"


def test_an_index_in_a_directory(tmp_path: Path) -> None:
    place = tmp_path / "simple"
    check = checked(tmp_path / "a", place.as_uri())
    assert (check.status, check.finding) == (Status.FAULT, f"there is no directory {place}")
    place.mkdir()
    assert checked(tmp_path / "b", place.as_uri()).status is Status.OK


def test_offline_nothing_is_contacted(tmp_path: Path) -> None:
    with index_server() as server:
        setup = make_setup(tmp_path, table={"index-url": server.url}, offline=True, index=own(server.url))
        (check,) = check_index(setup)
        assert (check.status, [*check_own_indexes(setup)]) == (Status.OK, [])
    assert server.paths == []


def own(url: str) -> dict[str, Any]:
    return {"internal": {"kind": "simple-upload", "url": url, "targets": ["cp311-manylinux_x86_64"]}}


@pytest.mark.parametrize(
    ("status", "environ", "found", "finding"),
    [
        (200, {}, Status.OK, "127.0.0.1 answers (status 200); no credentials"),
        (404, {}, Status.OK, "127.0.0.1 answers (status 404); no credentials"),
        (401, {}, Status.WARNING, "127.0.0.1 wants credentials, and none are set (status 401)"),
        (
            403,
            {"TWINE_PASSWORD": "sesame-9"},
            Status.WARNING,
            "127.0.0.1 does not accept the credentials (status 403)",
        ),
        (500, {}, Status.WARNING, "127.0.0.1 has an error (status 500); no credentials"),
    ],
)
def test_an_index_of_ones_own_is_never_a_fault(
    tmp_path: Path, status: int, environ: dict[str, str], found: Status, finding: str
) -> None:
    with index_server() as server:
        server.replies["/simple/plain/"].append(Reply(status=status))
        setup = make_setup(tmp_path, environ=environ, index=own(server.url))
        (check,) = check_own_indexes(setup)
    assert (check.name, check.status, check.finding) == ("index internal", found, finding)
    assert "sesame-9" not in f"{check}"
