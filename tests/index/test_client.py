"""Asking an index over HTTP: trouble, refusals, other hosts, certificates, and what twine says."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from support.faults import Fault, proxy
from support.publishing import publishing_farm, stock
from support.raised import only
from support.servers import Reply, index_server
from wheelfarm.errors import NetworkError, PublishError, RefusedError
from wheelfarm.index.candidates import find_candidates
from wheelfarm.index.client import Client, refusal
from wheelfarm.index.credentials import Credentials
from wheelfarm.index.protocol import UploadFailure
from wheelfarm.index.twine import upload
from wheelfarm.index.upload import UploadIndex

SECRET = "s3cret/word"


def test_what_passes_and_what_does_not() -> None:
    assert [refusal("x", "u", each).retryable for each in (401, 403, 404, 409, 413)] == [False] * 5
    assert [refusal("x", "u", each).retryable for each in (429, 500, 502, 507)] == [True] * 4
    assert "full" in str(refusal("x", "u", 507).hint)


def test_trouble_is_retried_and_a_refusal_is_not(messages: list[str]) -> None:
    with index_server() as server:
        server.replies["/simple/a/"].extend([Reply(status=503), Reply(b"", cut=0, status=200)])
        server.replies["/simple/b/"].append(Reply(status=403))
        client = Client(server.url, None, pause=0.01)
        assert client.get(f"{server.url}a/") is not None
        assert len(messages) == 1
        only(lambda: client.get(f"{server.url}b/"), RefusedError)
        assert server.paths.count("/simple/b/") == 1


def test_lasting_trouble_is_an_error() -> None:
    with index_server() as server:
        server.replies["/simple/a/"].append(Reply(status=429, headers={"Retry-After": "0"}))
        client = Client(server.url, None, tries=2, pause=0.01)
        assert "status 429" in str(only(lambda: client.get(f"{server.url}a/"), RefusedError).why)
    gone = Client(server.url, None, tries=2, pause=0.01)
    assert "2 tries" in str(only(lambda: gone.get(server.url), NetworkError).why)
    only(lambda: gone.get("nonsense:"), NetworkError)


def test_what_is_done_elsewhere_is_not_done() -> None:
    """A redirect is no answer to a PUT: whoever takes it for one believes that there is a staging index."""
    with index_server() as server:
        server.replies["/simple/a/"].append(Reply(status=302, headers={"Location": "/login"}))
        client = Client(server.url, None, pause=0.01)
        with pytest.raises(RefusedError) as caught:
            client.call("PUT", f"{server.url}a/")
        assert (caught.value.status, caught.value.retryable) == (302, False)
        assert "redirects" in str(caught.value.hint)


def test_an_index_that_answers_to_another_scheme_is_not_empty() -> None:
    with index_server() as server:
        there = f"https://{server.host}/simple/a/"
        server.replies["/simple/a/"].append(Reply(status=301, headers={"Location": there}))
        client = Client(server.url, None)
        error = only(lambda: client.get(f"{server.url}a/"), PublishError)
        assert error.what == "the index answers only to https"
        assert error.why == f"it redirects to {there}"


def test_keys_to_a_store_are_not_shown(tmp_path: Path, messages: list[str]) -> None:
    """Where files lie in a store, the query of the url that leads there lets everybody in."""
    with index_server() as server, index_server() as store:
        key = f"http://{store.host}/a.whl?Signature={SECRET}"
        server.replies["/a.whl"].append(Reply(status=302, headers={"Location": key}))
        store.replies["/a.whl"].extend([Reply(status=503), Reply(b"body", cut=1), Reply(status=403)])
        client = Client(f"http://{server.host}/", None, pause=0.01)
        error = only(lambda: client.download(f"{client.base}a.whl", tmp_path / "a"), RefusedError)
        assert error.where == f"http://{store.host}/a.whl"
        assert len(messages) == 2
        assert SECRET not in "".join([*messages, str(error)])


def test_a_certificate_that_nobody_knows(tmp_path: Path, messages: list[str]) -> None:
    """There is one try, and the error names TWINE_CERT."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with index_server(tls) as server:
        server.replies["/simple/a/"].append(Reply(b"found"))
        url = f"https://{server.host}/simple/"
        error = only(lambda: Client(url, None).get(f"{url}a/"), NetworkError)
        assert "TWINE_CERT" in str(error.hint)
        assert messages == []
        answer = Client(url, None, str(tmp_path / "ca.pem")).get(f"{url}a/")
        assert answer is not None
        assert answer.content == b"found"


def test_credentials_are_for_their_own_host() -> None:
    login = Credentials("alice", SECRET, "test")
    with index_server() as own, index_server() as other:
        own.replies["/simple/here/"].append(Reply(status=301, headers={"Location": "../there/"}))
        own.replies["/simple/there/"].append(Reply(b"found"))
        own.replies["/simple/away/"].append(Reply(status=302, headers={"Location": other.url}))
        own.replies["/simple/round/"].append(Reply(status=302, headers={"Location": "../round/"}))
        client = Client(own.url, login)
        answer = client.get(f"{own.url}here/")
        assert answer is not None
        assert answer.content == b"found"
        assert client.get(f"{own.url}away/") is None
        assert other.received == []
        only(lambda: client.get(f"{own.url}round/"), PublishError)
        assert all("Authorization" in headers for _, headers in own.received)


def test_twine_that_cannot_be_understood(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "twine"
    program.write_text("#!/bin/sh\necho 'what now'; exit 3\n")
    program.chmod(0o755)
    with pytest.raises(UploadFailure) as caught:
        upload(
            [tmp_path / "x.whl"],
            "https://index.invalid/",
            credentials=None,
            env={"PATH": str(tmp_path / "bin")},
            log=None,
        )
    assert caught.value.error.why == "what now"
    assert not caught.value.error.retryable


def test_more_wheels_than_a_command_line_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
    stock(farm.wheelhouse)
    todo = find_candidates(farm.wheelhouse, "plain")
    monkeypatch.setattr("wheelfarm.index.upload._COMMAND", 3 * len(str(todo[0].path)))
    twine = tmp_path / "bin/twine"
    twine.parent.mkdir()
    twine.write_text(f"#!/bin/sh\necho $* >> {tmp_path}/arguments\n")
    twine.chmod(0o755)
    env = {"PATH": str(twine.parent)}
    index = UploadIndex("internal", "http://x.invalid/", "simple", None, env, None)
    index.upload(todo)
    lines = (tmp_path / "arguments").read_text().splitlines()
    sent = [[Path(word).name for word in line.split()[5:]] for line in lines]
    assert [name for line in sent for name in line] == [candidate.filename for candidate in todo]
    assert [len(line) for line in sent] == [2, 2]


def test_a_proxy_passes_what_it_should() -> None:
    with index_server() as server, proxy(f"http://{server.host}/") as before:
        server.replies["/x"].append(Reply(b"body"))
        client = Client(before.url, None, tries=1)
        answer = client.get(f"{before.url}x")
        assert answer is not None
        assert answer.content == b"body"
        before.faults = [Fault("GET", status=500)]
        only(lambda: client.get(f"{before.url}x"), RefusedError)
