"""The ways in: settings, credentials, and what twine and servers say."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm
from support.faults import Fault, proxy
from support.publishing import publication, publishing_farm, stock, store
from support.raised import only, raised
from support.servers import Reply, index_server
from wheelfarm.errors import (
    NetworkError,
    PublishError,
    RefusedError,
    SettingsError,
    UnprovenError,
    UsageError,
)
from wheelfarm.index import offers, open_index, prove, read_url
from wheelfarm.index.client import Client, refusal
from wheelfarm.index.credentials import Credentials, find_credentials
from wheelfarm.index.kind import UploadFailure
from wheelfarm.index.twine import upload
from wheelfarm.index.upload import UploadIndex
from wheelfarm.model import Name
from wheelfarm.pipeline import choose_index_name, named_releases
from wheelfarm.settings import IndexKind

if TYPE_CHECKING:
    from wheelfarm.attestation import Papers
    from wheelfarm.index import Offer
    from wheelfarm.pipeline import Farm
    from wheelfarm.settings import Settings

SECRET = "s3cret/word"
INDEX = {"kind": "simple-upload", "url": "https://index.invalid/pypi", "targets": ["cp311-manylinux_x86_64"]}


def settings(tmp_path: Path, **table: Any) -> Settings:
    return make_farm(tmp_path, settings={"index": {"internal": {**INDEX, **table}}})


class TestSettings:
    def test_a_table(self, tmp_path: Path) -> None:
        farm = settings(tmp_path, variants={"plain": "", "netlib": "netlib"}, settle=5.0)
        table = farm.choose_index("internal")
        assert (table.kind, table.settle, table.read_url) == (IndexKind.SIMPLE_UPLOAD, 5.0, None)
        assert [table.path(each) for each in ("plain", "netlib", "other")] == ["", "netlib", None]
        assert settings(tmp_path / "other").choose_index("internal").path("any") == "any"
        assert farm.origins["index"] == "pyproject.toml"

    @pytest.mark.parametrize("key", ["url", "read-url"])
    def test_a_url_with_credentials_is_refused_and_not_shown(self, tmp_path: Path, key: str) -> None:
        url = f"https://alice:{SECRET.replace('/', '%2F')}@index.invalid/pypi?token={SECRET}"
        error = only(lambda: settings(tmp_path, **{key: url}), SettingsError)
        assert error.what == "bad value 'https://***@index.invalid/pypi'"
        assert error.where == f"pyproject.toml: tool.wheelfarm: index.internal.{key}"
        assert "TWINE_PASSWORD" in str(error.why)
        assert "s3cret" not in str(error)
        assert "alice" not in str(error)

    @pytest.mark.parametrize(
        ("table", "what"),
        [
            ({"kind": "simple"}, "bad value 'simple'"),
            ({"url": "ftp://index.invalid"}, "bad value 'ftp://index.invalid'"),
            ({"kind": "static"}, "bad value 'https://index.invalid/pypi'"),
            ({"targets": []}, "bad value []"),
            ({"targets": ["cp311"]}, "bad value 'cp311'"),
            ({"variants": {"plain": "../up"}}, "bad value '../up'"),
            ({"variants": {"plain": "/root"}}, "bad value '/root'"),
            ({"simple": "a b"}, "bad value 'a b'"),
            ({"read-url": "s3://bucket"}, "bad value 's3://bucket'"),
            ({"settle": -1.0}, "bad value -1.0"),
            ({"user": "alice"}, "unknown key 'user'"),
        ],
    )
    def test_what_cannot_be(self, tmp_path: Path, table: dict[str, Any], what: str) -> None:
        errors = raised(lambda: settings(tmp_path, **table), SettingsError)
        assert what in [error.what for error in errors]

    @pytest.mark.parametrize("name", ["wheelhouse", "Upper", "-x"])
    def test_names_that_cannot_be(self, tmp_path: Path, name: str) -> None:
        only(lambda: make_farm(tmp_path, settings={"index": {name: INDEX}}), SettingsError)

    def test_an_index_that_is_not_there(self, tmp_path: Path) -> None:
        assert "internal" in str(only(lambda: settings(tmp_path).choose_index("internl"), UsageError).hint)
        bare = make_farm(tmp_path / "bare")
        assert "add" in str(only(lambda: bare.choose_index("internal"), UsageError).hint)

    def test_where_installers_read(self, tmp_path: Path) -> None:
        read = partial(read_url, "internal", say=print)
        told = settings(tmp_path / "a", simple="+simple", variants={"plain": "alice/prod"})
        assert read(told, "plain") == "https://index.invalid/pypi/alice/prod/+simple/"
        assert "it takes plain" in str(only(lambda: read(told, "netlib"), UsageError).hint)
        bucket = settings(tmp_path / "b", kind="static", url="s3://bucket/farm")
        assert only(lambda: read(bucket, "plain"), UsageError).hint == "say `read-url`"
        public = settings(
            tmp_path / "c", kind="static", url="s3://bucket/farm", **{"read-url": "https://cdn.invalid/farm"}
        )
        assert read(public, "plain") == "https://cdn.invalid/farm/plain/simple/"
        directory = settings(tmp_path / "d", kind="static", url="public")
        assert read(directory, "plain") == f"{(tmp_path / 'd/public/plain/simple').as_uri()}/"


class TestCredentials:
    URL = "https://index.invalid/pypi/"

    def test_from_the_environment_first(self, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("machine index.invalid login bob password other\n")
        environ = {"TWINE_USERNAME": "alice", "TWINE_PASSWORD": SECRET, "HOME": str(tmp_path)}
        found = find_credentials(self.URL, environ, {"PATH": ""})
        assert found is not None
        assert (found.username, found.password) == ("alice", SECRET)
        assert SECRET not in repr(found)

    def test_from_netrc(self, tmp_path: Path) -> None:
        (tmp_path / "_netrc").write_text("machine index.invalid login bob password other\n")
        found = find_credentials(self.URL, {"HOME": str(tmp_path)}, {"PATH": ""})
        assert found == Credentials("bob", "other", str(tmp_path / "_netrc"))
        assert find_credentials("https://else.invalid/", {"HOME": str(tmp_path)}, {"PATH": ""}) is None
        named = {"NETRC": str(tmp_path / "_netrc"), "TWINE_USERNAME": "carol"}
        assert find_credentials(self.URL, named, {"PATH": ""}) is None
        assert find_credentials(self.URL, {}, {"PATH": ""}) is None

    def test_a_netrc_that_is_broken(self, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text(f"machine index.invalid login bob {SECRET}\n")
        found = partial(find_credentials, self.URL, {"NETRC": str(tmp_path / "netrc")}, {"PATH": ""})
        assert SECRET not in str(only(found, PublishError))

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
        assert find_credentials(self.URL, {}, env) == Credentials("dora", SECRET, "keyring")
        alice = find_credentials(self.URL, {"TWINE_USERNAME": "alice"}, env)
        assert alice == Credentials("alice", SECRET, "keyring")
        assert find_credentials("https://else.invalid/", {}, env) is None


class TestClient:
    def test_what_passes_and_what_does_not(self) -> None:
        assert [refusal("x", "u", each).passing for each in (401, 403, 404, 409, 413)] == [False] * 5
        assert [refusal("x", "u", each).passing for each in (429, 500, 502, 507)] == [True] * 4
        assert "full" in str(refusal("x", "u", 507).hint)

    def test_trouble_is_asked_again_and_a_refusal_is_not(self) -> None:
        with index_server() as server:
            server.replies["/simple/a/"].extend([Reply(status=503), Reply(b"", cut=0, status=200)])
            server.replies["/simple/b/"].append(Reply(status=403))
            said: list[str] = []
            client = Client(server.url, None, said.append, pause=0.01)
            assert client.get(f"{server.url}a/") is not None
            assert len(said) == 1
            only(lambda: client.get(f"{server.url}b/"), RefusedError)
            assert server.paths.count("/simple/b/") == 1

    def test_what_lasts_is_told(self) -> None:
        with index_server() as server:
            server.replies["/simple/a/"].append(Reply(status=429, headers={"Retry-After": "0"}))
            client = Client(server.url, None, lambda _line: None, tries=2, pause=0.01)
            assert "status 429" in str(only(lambda: client.get(f"{server.url}a/"), RefusedError).why)
        gone = Client(server.url, None, lambda _line: None, tries=2, pause=0.01)
        assert "2 tries" in str(only(lambda: gone.get(server.url), NetworkError).why)
        only(lambda: gone.get("nonsense:"), NetworkError)

    def test_credentials_are_for_their_own_host(self) -> None:
        login = Credentials("alice", SECRET, "test")
        with index_server() as own, index_server() as other:
            own.replies["/simple/here/"].append(Reply(status=301, headers={"Location": "../there/"}))
            own.replies["/simple/there/"].append(Reply(b"found"))
            own.replies["/simple/away/"].append(Reply(status=302, headers={"Location": other.url}))
            own.replies["/simple/round/"].append(Reply(status=302, headers={"Location": "../round/"}))
            client = Client(own.url, login, lambda _line: None)
            answer = client.get(f"{own.url}here/")
            assert answer is not None
            assert answer.content == b"found"
            assert client.get(f"{own.url}away/") is None
            assert other.asked == []
            only(lambda: client.get(f"{own.url}round/"), PublishError)
            assert all("Authorization" in headers for _, headers in own.asked)

    def test_a_page_that_is_none(self, tmp_path: Path) -> None:
        with index_server() as server:
            server.replies["/simple/alpha/"].append(
                Reply(
                    b'{"meta": {"api-version": "9.0"}}',
                    headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
                )
            )
            index = UploadIndex(
                *("internal", f"http://{server.host}/", "simple", None, {}, tmp_path / "log", print),
                *(unissued, tmp_path),
            )
            error = only(lambda: index.look([Name("alpha")]), PublishError)
            assert error.what == "the page of alpha cannot be read"

    def test_a_listing_without_digests_is_hashed(self, tmp_path: Path) -> None:
        with index_server() as server:
            server.add(
                "alpha", {"alpha-1.0-py3-none-any.whl": b"bytes"}, digests={"alpha-1.0-py3-none-any.whl": ""}
            )
            index = UploadIndex(
                *("internal", f"http://{server.host}/", "simple", None, {}, tmp_path / "log", print),
                *(unissued, tmp_path),
            )
            (file,) = index.look([Name("alpha")])[Name("alpha")]
            assert file.sha256 is None
            (file,) = index.look([Name("alpha")], {"alpha-1.0-py3-none-any.whl"})[Name("alpha")]
            assert file.sha256 == "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
            error = only(lambda: index.yank(Name("alpha"), [], ""), PublishError)
            assert "yanked" in error.what
            assert "removed" in only(lambda: index.remove(Name("alpha"), []), PublishError).what


def unissued(_offer: Offer) -> Papers:
    raise AssertionError("nothing is published here")


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
            say=print,
        )
    assert caught.value.error.why == "what now"
    assert not caught.value.error.passing


class TestOffers:
    def farm(self, tmp_path: Path) -> Farm:
        farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
        stock(farm.house)
        return farm

    def test_the_newest_that_is_not_yanked(self, tmp_path: Path) -> None:
        house = self.farm(tmp_path).house
        store(house, "alpha", "2.0")
        store(house, "alpha", "3.0")
        house.yank("plain", Name("alpha"), lambda file: file.version == "3.0", "")
        assert {each.version for each in offers(house, "plain") if each.project == "alpha"} == {"2.0"}
        named = offers(house, "plain", {Name("alpha"): "1.0.0"})
        assert {each.version for each in named} == {"1.0"}
        assert "it has 1.0, 2.0" in str(
            only(lambda: offers(house, "plain", {Name("alpha"): "9"}), UsageError).why
        )
        only(lambda: offers(house, "plain", {Name("nosuch"): None}), UsageError)

    def test_a_wheel_of_another_record(self, tmp_path: Path) -> None:
        farm = self.farm(tmp_path)
        offer = offers(farm.house, "plain")[0]
        record = farm.house.root / "plain/records" / f"{offer.file.key}.json"
        document = json.loads(record.read_text())
        for change in ({"filename": "x-1-py3-none-any.whl"}, {"sha256": "0" * 64}):
            record.write_text(json.dumps(document | {"wheel": document["wheel"] | change}))
            assert "another wheel" in only(lambda: prove(farm.house, offer), UnprovenError).what
        record.write_text(json.dumps(document | {"gate_results": []}))
        assert "has not passed its gate" in only(lambda: prove(farm.house, offer), UnprovenError).what
        record.write_text(json.dumps(document))
        prove(farm.house, offer)
        offer.path.unlink()
        assert "cannot be read" in only(lambda: prove(farm.house, offer), UnprovenError).what

    def test_releases_in_words(self) -> None:
        assert named_releases(None) is None
        assert named_releases("Scipy==1.17.1, numpy") == {"scipy": "1.17.1", "numpy": None}
        for words in ("scipy>=1", "scipy==1,==2", "scipy[test]", "!", " , ", "scipy==1,<2"):
            only(partial(named_releases, words), UsageError)

    def test_which_index(self, tmp_path: Path) -> None:
        farm = self.farm(tmp_path)
        assert choose_index_name(farm, None) == choose_index_name(farm, "internal") == "internal"
        only(lambda: choose_index_name(farm, "other"), UsageError)
        assert publication(farm).owned() == {"alpha", "beta"}
        only(lambda: open_index("nosuch", farm.settings, "plain", house=farm.house, say=print), UsageError)


def test_a_proxy_passes_what_it_should() -> None:
    with index_server() as server, proxy(f"http://{server.host}/") as before:
        server.replies["/x"].append(Reply(b"body"))
        client = Client(before.url, None, lambda _line: None, tries=1)
        answer = client.get(f"{before.url}x")
        assert answer is not None
        assert answer.content == b"body"
        before.faults = [Fault("GET", status=500)]
        only(lambda: client.get(f"{before.url}x"), RefusedError)
