"""Asking an index over HTTP: trouble, refusals, other hosts, certificates; and whose credentials are sent."""

from __future__ import annotations

import ssl
import sys
from functools import partial
from pathlib import Path

import pytest
import trustme

from support.faults import Fault, proxy
from support.raised import only
from support.servers import Reply, index_server
from wheelfarm.errors import NetworkError, PublishError, RefusedError
from wheelfarm.index.client import Credentials, IndexClient, find_credentials, refusal
from wheelfarm.sources.network import HttpClient

SECRET = "s3cret/word"
URL = "https://index.invalid/pypi/"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpClient, "backoff", 0.01)


def test_which_statuses_are_retried() -> None:
    assert [refusal("x", "u", each).retryable for each in (401, 403, 404, 409, 413)] == [False] * 5
    assert [refusal("x", "u", each).retryable for each in (429, 500, 502, 507)] == [True] * 4
    assert "full" in str(refusal("x", "u", 507).hint)


def test_trouble_is_retried_and_a_refusal_is_not(log: pytest.LogCaptureFixture) -> None:
    with index_server() as server:
        server.replies["/simple/a/"] += [Reply(status=503), Reply(b"body", cut=1), Reply(b"body")]
        server.replies["/simple/b/"].append(Reply(status=403))
        client = IndexClient(index_url=server.url)
        answer = client.find(f"{server.url}a/")
        assert answer is not None
        assert answer.content == b"body"
        assert len(log.messages) == 2
        only(lambda: client.find(f"{server.url}b/"), RefusedError)
        assert server.paths.count("/simple/b/") == 1


def test_lasting_trouble_is_an_error() -> None:
    with index_server() as server:
        server.replies["/simple/a/"].append(Reply(status=429, headers={"Retry-After": "0"}))
        client = IndexClient(index_url=server.url, tries=2)
        assert "status 429" in str(only(lambda: client.find(f"{server.url}a/"), RefusedError).why)
        assert len(server.paths) == 2
    assert "2 tries" in str(only(lambda: client.find(server.url), NetworkError).why)
    only(lambda: client.find("nonsense:"), NetworkError)


def test_a_redirect_is_no_answer_to_a_put() -> None:
    """Whoever takes it for one believes that there is a staging index."""
    with index_server() as server:
        server.replies["/simple/a/"].append(Reply(status=302, headers={"Location": "/login"}))
        client = IndexClient(index_url=server.url)
        with pytest.raises(RefusedError) as caught:
            client.call("PUT", f"{server.url}a/")
        assert (caught.value.status, caught.value.retryable) == (302, False)
        assert "redirects" in str(caught.value.hint)


def test_an_index_that_answers_to_another_scheme_is_not_empty() -> None:
    with index_server() as server:
        there = f"https://{server.host}/simple/a/"
        server.replies["/simple/a/"].append(Reply(status=301, headers={"Location": there}))
        client = IndexClient(index_url=server.url)
        error = only(lambda: client.find(f"{server.url}a/"), PublishError)
        assert error.what == "the index answers only to https"
        assert error.why == f"it redirects to {there}"


def test_the_signed_url_of_a_store_is_not_shown(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """Where files lie in a store, the query of the url that leads there lets everybody in."""
    with index_server() as server, index_server() as store:
        signed = f"http://{store.host}/a.whl?Signature={SECRET}"
        server.replies["/a.whl"].append(Reply(status=302, headers={"Location": signed}))
        store.replies["/a.whl"] += [Reply(status=503), Reply(b"body", cut=1), Reply(status=403)]
        client = IndexClient(index_url=f"http://{server.host}/")
        error = only(lambda: client.fetch(f"{client.index_url}a.whl", tmp_path / "a"), RefusedError)
        assert error.where == f"http://{store.host}/a.whl"
        assert len(log.messages) == 2
        assert SECRET not in "".join([*log.messages, str(error)])
        store.replies["/a.whl"].append(Reply(b"whole"))
        store.replies["/a.whl"].popleft()
        client.fetch(f"{client.index_url}a.whl", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_an_untrusted_certificate(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one try, and the error names TWINE_CERT, which wins over the variable of requests."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    with index_server(tls) as server:
        server.replies["/simple/a/"].append(Reply(b"found"))
        url = f"https://{server.host}/simple/"
        for authorities in (None, ""):
            client = IndexClient(index_url=url, authorities=authorities)
            assert "TWINE_CERT" in str(only(partial(client.find, f"{url}a/"), NetworkError).hint)
        assert log.messages == []
        answer = IndexClient(index_url=url, authorities=str(tmp_path / "ca.pem")).find(f"{url}a/")
        assert answer is not None
        assert answer.content == b"found"


def test_credentials_are_sent_to_their_own_host_alone(tmp_path: Path) -> None:
    with index_server() as own, index_server() as other:
        own.replies["/simple/here/"].append(Reply(status=301, headers={"Location": "../there/"}))
        own.replies["/simple/there/"].append(Reply(b"found"))
        own.replies["/simple/away/"].append(Reply(status=302, headers={"Location": other.url}))
        own.replies["/simple/round/"].append(Reply(status=302, headers={"Location": "../round/"}))
        client = IndexClient(index_url=own.url, credentials=("alice", SECRET))
        assert SECRET not in repr(client)
        answer = client.find(f"{own.url}here/")
        assert answer is not None
        assert answer.content == b"found"
        assert client.find(f"{own.url}away/") is None
        assert other.received == []
        only(lambda: client.find(f"{own.url}round/"), PublishError)
        only(lambda: client.fetch(f"{own.url}away/", tmp_path / "file"), RefusedError)
        assert all("Authorization" in headers for _, headers in own.received)
        assert [("Authorization" in headers) for _, headers in other.received] == [False]


def test_a_proxy_passes_requests_and_its_errors() -> None:
    with index_server() as server, proxy(f"http://{server.host}/") as before:
        server.replies["/x"].append(Reply(b"body"))
        client = IndexClient(index_url=before.url, tries=1)
        answer = client.find(f"{before.url}x")
        assert answer is not None
        assert answer.content == b"body"
        before.faults = [Fault("GET", status=500)]
        only(lambda: client.find(f"{before.url}x"), RefusedError)


class TestCredentials:
    def test_from_the_environment_first(self, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("machine index.invalid login bob password other\n")
        environ = {"TWINE_USERNAME": "alice", "TWINE_PASSWORD": SECRET, "HOME": str(tmp_path)}
        found = find_credentials(URL, environ, {"PATH": ""})
        assert found is not None
        assert (found.username, found.password) == ("alice", SECRET)
        assert SECRET not in repr(found)

    def test_a_token_has_no_user_of_its_own(self, tmp_path: Path) -> None:
        """A password without a user is not ignored in silence."""
        found = find_credentials(URL, {"TWINE_PASSWORD": SECRET, "HOME": str(tmp_path)}, {"PATH": ""})
        assert found == Credentials("__token__", SECRET, "TWINE_PASSWORD")

    def test_from_netrc(self, tmp_path: Path) -> None:
        (tmp_path / "_netrc").write_text("machine index.invalid login bob password other\n")
        found = find_credentials(URL, {"HOME": str(tmp_path)}, {"PATH": ""})
        assert found == Credentials("bob", "other", str(tmp_path / "_netrc"))
        assert find_credentials("https://else.invalid/", {"HOME": str(tmp_path)}, {"PATH": ""}) is None
        named = {"NETRC": str(tmp_path / "_netrc"), "TWINE_USERNAME": "carol"}
        assert find_credentials(URL, named, {"PATH": ""}) is None
        assert find_credentials(URL, {}, {"PATH": ""}) is None

    @pytest.mark.parametrize("password", [SECRET.encode(), b"password \xff\xfe"])
    def test_a_netrc_that_cannot_be_read(self, tmp_path: Path, password: bytes) -> None:
        (tmp_path / "netrc").write_bytes(b"machine index.invalid login bob " + password + b"\n")
        found = partial(find_credentials, URL, {"NETRC": str(tmp_path / "netrc")}, {"PATH": ""})
        error = only(found, PublishError)
        assert error.what == "netrc cannot be read"
        assert SECRET not in str(error)

    def test_from_a_keyring(self, tmp_path: Path) -> None:
        (tmp_path / "farmring.py").write_text(
            "from keyring.backend import KeyringBackend\n"
            "from keyring.credentials import SimpleCredential\n"
            "class Ring(KeyringBackend):\n"
            "    priority = 9\n"
            "    def get_password(self, service, username):\n"
            f"        return {SECRET!r} if 'index.invalid' in service else None\n"
            "    def set_password(self, service, username, password):\n"
            "        raise NotImplementedError\n"
            "    def get_credential(self, service, username):\n"
            "        found = self.get_password(service, username)\n"
            "        return found and SimpleCredential(username or 'dora', found)\n"
        )
        env = {
            "PATH": str(Path(sys.executable).parent),
            "PYTHONPATH": str(tmp_path),
            "PYTHON_KEYRING_BACKEND": "farmring.Ring",
            "HOME": str(tmp_path),
        }
        assert find_credentials(URL, {}, env) == Credentials("dora", SECRET, "keyring")
        alice = find_credentials(URL, {"TWINE_USERNAME": "alice"}, env)
        assert alice == Credentials("alice", SECRET, "keyring")
        assert find_credentials("https://else.invalid/", {}, env) is None
