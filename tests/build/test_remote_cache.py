"""The remote storage of the compiler cache: whose server it is, and what a build sees of it."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path, PurePosixPath
from threading import Thread

import pytest

from support.farm import builds_of, make_farm
from support.raised import only
from wheelfarm.build.compiler_cache import CompilerCache
from wheelfarm.build.remote_cache import SOCKET, RemoteCache
from wheelfarm.errors import EngineError, SettingsError
from wheelfarm.recipes.settings import CACHE_PASSWORD, CACHE_USERNAME, load

URL = "compiler-cache-remote"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RemoteCache(host="cache")),
        ("redis://cache:7000/3", RemoteCache(host="cache", port=7000, database=3)),
        ("rediss://cache", RemoteCache(host="cache", tls=True)),
        ("redis://[::1]:7000", RemoteCache(host="::1", port=7000)),
    ],
)
def test_the_server_of_a_url(tmp_path: Path, url: str, expected: RemoteCache) -> None:
    assert RemoteCache.of(make_farm(tmp_path, settings={URL: url})) == expected


def test_a_farm_without_one_and_a_release_have_none(tmp_path: Path) -> None:
    assert RemoteCache.of(make_farm(tmp_path / "one")) is None
    farm = make_farm(tmp_path / "two", settings={URL: "redis://cache", "compiler-cache": True})
    assert RemoteCache.of(farm) is not None
    released = load(farm.root, environ={}, options={"release": "1"})
    assert released.compiler_cache
    assert RemoteCache.of(released) is None


def test_the_password_is_a_variable_and_is_not_shown(tmp_path: Path) -> None:
    environ = {CACHE_USERNAME: "farm", CACHE_PASSWORD: "secret"}
    remote = RemoteCache.of(make_farm(tmp_path, settings={URL: "redis://cache"}, environ=environ))
    assert remote is not None
    assert (remote.username, remote.password) == ("farm", "secret")
    assert "secret" not in repr(remote)
    assert remote.environment(PurePosixPath("/s")) == {"CCACHE_REMOTE_STORAGE": "redis+unix:/s"}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://cache/", "it is not the url of a Redis server, such as redis://cache.example.org:6379"),
        ("redis://", "it is not the url of a Redis server"),
        ("redis://cache/one", "it is not the url of a Redis server"),
        ("redis://cache?timeout=3", "it has no more than a host, a port and the number of a database"),
        ("redis://farm:secret@cache", "may hold no credentials"),
    ],
)
def test_a_url_that_is_refused(tmp_path: Path, url: str, why: str) -> None:
    error = only(lambda: make_farm(tmp_path, settings={URL: url}), SettingsError)
    assert why in str(error.why)
    assert "secret" not in str(error)


def test_a_variable_that_is_misspelt(tmp_path: Path) -> None:
    farm, environ = make_farm(tmp_path), {"WHEELFARM_COMPILER_CACHE_PASWORD": "x"}
    error = only(lambda: load(farm.root, environ=environ), SettingsError)
    assert error.hint == f"did you mean {CACHE_PASSWORD!r}?"


def test_a_path_that_is_too_long_for_a_socket_file() -> None:
    with pytest.raises(EngineError, match="103 bytes at most"):
        RemoteCache(host="x").environment(PurePosixPath("/", "x" * 103))


class TestListen:
    @pytest.fixture
    def directory(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("d")

    def test_bytes_pass_both_ways_and_the_file_goes(self, directory: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            echoing = Thread(target=echo, args=(server,))
            echoing.start()
            remote = RemoteCache(host="127.0.0.1", port=server.getsockname()[1])
            path = directory / SOCKET
            with remote.listen(path), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(str(path))
                sent = bytes(range(256)) * 4000
                Thread(target=client.sendall, args=(sent,), daemon=True).start()
                found = b""
                while len(found) < len(sent):
                    found += client.recv(1 << 16)
                assert found == sent
            assert not path.exists()
            echoing.join()

    def test_a_server_that_is_gone_ends_the_connection(self, directory: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            port = probe.getsockname()[1]
        remote = RemoteCache(host="127.0.0.1", port=port)
        assert "Connection refused" in str(remote.problem())
        with remote.listen(directory / SOCKET), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(directory / SOCKET))
            assert client.recv(1) == b""

    def test_a_path_that_only_a_container_sees_in_short(self, directory: Path) -> None:
        long = directory / ("x" * 100)
        long.mkdir()
        with RemoteCache(host="127.0.0.1", port=9).listen(long / SOCKET):
            assert (long / SOCKET).is_socket()
        assert not (long / SOCKET).exists()

    def test_a_file_that_a_killed_run_has_left_is_replaced(self, directory: Path) -> None:
        (directory / SOCKET).write_text("")
        with RemoteCache(host="127.0.0.1", port=9).listen(directory / SOCKET):
            assert (directory / SOCKET).is_socket()


def echo(server: socket.socket) -> None:
    """Accept as Redis does, and send back what comes after that."""
    connection, _ = server.accept()
    with connection:
        assert connection.recv(1 << 16) == b"*1\r\n$4\r\nPING\r\n"
        connection.sendall(b"+PONG\r\n")
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def test_recipes_and_engines_are_apart_on_a_server(tmp_path: Path) -> None:
    """What a build of one recipe brings there is not for another."""
    builds = builds_of(make_farm(tmp_path, {"alpha": {}, "beta": {}}))

    def namespaces(remote: RemoteCache | None) -> set[str | None]:
        caches = [
            CompilerCache.below(tmp_path, program=tmp_path, engine=engine, size="1G", remote=remote)
            for engine in ("host", "cibuildwheel")
        ]
        return {each.namespace(build).get("CCACHE_NAMESPACE") for each in caches for build in builds.values()}

    assert len(namespaces(RemoteCache(host="x"))) == 4
    # Its own cache is a directory of the recipe's in any case.
    assert namespaces(None) == {None}
