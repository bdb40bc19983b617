"""Who publishes: the environment, netrc and keyring, where users of twine keep it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from support.raised import only
from wheelfarm.errors import PublishError
from wheelfarm.index.credentials import Credentials, find_credentials

SECRET = "s3cret/word"
URL = "https://index.invalid/pypi/"


def test_from_the_environment_first(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine index.invalid login bob password other\n")
    environ = {"TWINE_USERNAME": "alice", "TWINE_PASSWORD": SECRET, "HOME": str(tmp_path)}
    found = find_credentials(URL, environ, {"PATH": ""})
    assert found is not None
    assert (found.username, found.password) == ("alice", SECRET)
    assert SECRET not in repr(found)


def test_a_token_has_no_user_of_its_own(tmp_path: Path) -> None:
    """A password that nobody is named for is not passed by in silence."""
    found = find_credentials(URL, {"TWINE_PASSWORD": SECRET, "HOME": str(tmp_path)}, {"PATH": ""})
    assert found == Credentials("__token__", SECRET, "TWINE_PASSWORD")


def test_from_netrc(tmp_path: Path) -> None:
    (tmp_path / "_netrc").write_text("machine index.invalid login bob password other\n")
    found = find_credentials(URL, {"HOME": str(tmp_path)}, {"PATH": ""})
    assert found == Credentials("bob", "other", str(tmp_path / "_netrc"))
    assert find_credentials("https://else.invalid/", {"HOME": str(tmp_path)}, {"PATH": ""}) is None
    named = {"NETRC": str(tmp_path / "_netrc"), "TWINE_USERNAME": "carol"}
    assert find_credentials(URL, named, {"PATH": ""}) is None
    assert find_credentials(URL, {}, {"PATH": ""}) is None


def test_a_netrc_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine index.invalid login bob {SECRET}\n")
    found = partial(find_credentials, URL, {"NETRC": str(tmp_path / "netrc")}, {"PATH": ""})
    assert SECRET not in str(only(found, PublishError))


def test_a_netrc_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_bytes(b"machine index.invalid login bob password \xff\xfe\n")
    found = partial(find_credentials, URL, {"NETRC": str(tmp_path / "netrc")}, {"PATH": ""})
    assert only(found, PublishError).what == "netrc cannot be read"


def test_from_a_keyring(tmp_path: Path) -> None:
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
