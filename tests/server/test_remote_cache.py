"""A real Redis server as the remote storage of the compiler cache, between farms that share nothing else."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.redis import HIT, MISS, PASSWORD, REDIS, Redis, elsewhere, farm_with, run_redis, use
from support.runs import LineListener
from support.tiny import run_farm, tiny_index
from wheelfarm.build.remote_cache import SOCKET, RemoteCache
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.index import Index
    from wheelfarm.plan.build import Build

pytestmark = pytest.mark.skipif(REDIS is None, reason="there is no redis-server")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="wf-") as stages, run_redis(tmp_path, Path(stages)) as server:
        yield server


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return tiny_index(tmp_path_factory.mktemp("index"))


def test_what_one_machine_compiles_another_has(tmp_path: Path, index: Index, redis: Redis) -> None:
    farm = farm_with(tmp_path / "f", index, redis)
    first = run_farm(farm)
    assert (use(first), redis.size() > 0) == (MISS, True)
    second = run_farm(elsewhere(farm))
    assert use(second) == HIT
    assert first.record("tinybase").wheel.sha256 == second.record("tinybase").wheel.sha256
    # The password is in no file of the build.
    for path in farm.work.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()


def test_a_farm_that_only_reads_brings_nothing(tmp_path: Path, index: Index, redis: Redis) -> None:
    farm = farm_with(tmp_path / "f", index, redis)
    reader = farm.replace(compiler_cache_read_only=True)
    assert (use(run_farm(reader)), redis.size()) == (MISS, 0)
    assert use(run_farm(elsewhere(farm))) == MISS
    assert use(run_farm(elsewhere(reader))) == HIT


def test_a_release_takes_nothing_of_it(tmp_path: Path, index: Index, redis: Redis) -> None:
    farm = farm_with(tmp_path / "f", index, redis)
    assert use(run_farm(farm)) == MISS
    assert use(run_farm(elsewhere(farm, release=True))) == MISS


def test_a_password_that_is_refused_costs_no_wheel(
    tmp_path: Path, index: Index, redis: Redis, messages: list[str]
) -> None:
    farm = farm_with(tmp_path / "f", index, redis, password="wrong")
    assert use(run_farm(farm)) == MISS
    (line,) = (each for each in messages if "remote compiler cache" in each)
    assert line.startswith(
        f"warning: builds go without the remote compiler cache: 127.0.0.1:{redis.port}: WRONGPASS"
    )


class Ending(LineListener):
    """Ends the server as soon as the build says something."""

    def __init__(self, redis: Redis) -> None:
        super().__init__([])
        self.redis = redis

    def on_line(self, build: Build, line: str) -> None:
        self.redis.process.kill()
        super().on_line(build, line)


def test_a_server_that_ends_during_the_run_costs_no_wheel(tmp_path: Path, index: Index, redis: Redis) -> None:
    settings = farm_with(tmp_path / "f", index, redis)
    farm = Farm(settings=settings)
    (outcome,) = farm.run(farm.plan(None), Ending(redis))
    assert redis.process.poll() is not None
    assert (outcome.state, outcome.cache_use) == ("built", MISS)


def test_a_server_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate is checked, and what is longer than one record of TLS arrives whole."""
    certificate = tmp_path / "server.pem"
    files = ("-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate))
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *names]
    subprocess.run(words, check=True, capture_output=True)
    with (
        tempfile.TemporaryDirectory(prefix="wf-") as directory,
        run_redis(tmp_path, Path(directory), certificate=certificate) as redis,
    ):
        remote = RemoteCache(host="127.0.0.1", port=redis.port, tls=True, password=PASSWORD)
        assert "certificate verify failed" in str(remote.problem())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert remote.problem() is None
        value = bytes(range(256)) * 2000
        path = Path(directory, SOCKET)
        with remote.listen(path), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$%d\r\n%s\r\nGET x\r\n" % (len(value), value))
            expected = b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
            found = b""
            while len(found) < len(expected):
                found += client.recv(1 << 16)
            assert found == expected
