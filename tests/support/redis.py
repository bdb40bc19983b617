"""A real Redis server as the remote storage of the compiler cache, and farms that use it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from support.indexes import free_port
from support.tiny import tiny_farm
from wheelfarm.build.remote_cache import RemoteCache
from wheelfarm.model import CacheUse
from wheelfarm.recipes.settings import CACHE_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.index import Index
    from support.tiny import Run
    from wheelfarm.recipes.settings import Settings

PASSWORD: Final = "pass word"
REDIS: Final = shutil.which("redis-server")
MISS: Final = CacheUse(hits=0, misses=1, missed=("native/core.c",))
HIT: Final = CacheUse(hits=1, misses=0)


@dataclass
class Redis:
    """A server that asks for a password."""

    port: int
    process: subprocess.Popen[bytes]
    stages: Path
    """A short path, as farms have it: a socket file is there."""

    def size(self) -> int:
        """How many entries it has."""
        with RemoteCache(host="127.0.0.1", port=self.port, password=PASSWORD).connect() as connection:
            connection.sendall(b"DBSIZE\r\n")
            return int(connection.recv(100).removeprefix(b":"))


@contextmanager
def run_redis(directory: Path, stages: Path, *, certificate: Path | None = None) -> Iterator[Redis]:
    """Run a server on loopback, whose farms have their build directories in `stages`; it may speak TLS."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
    if certificate is None:
        options += ["--port", str(port)]
    else:
        files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_suffix(".key")))
        options += ["--port", "0", "--tls-port", str(port), *files, "--tls-auth-clients", "no"]
    process = subprocess.Popen([str(REDIS), *options], cwd=directory, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        yield Redis(port, process, stages)
    finally:
        process.kill()
        process.wait()


def farm_with(
    root: Path,
    index: Index,
    redis: Redis,
    *,
    password: str = PASSWORD,
    environ: Mapping[str, str] | None = None,
    **settings: Any,
) -> Settings:
    """A farm of tinybase with a compiler cache and the server."""
    url = f"redis://127.0.0.1:{redis.port}"
    more = {"compiler-cache": True, "compiler-cache-remote": url, "stages": str(redis.stages), **settings}
    return tiny_farm(
        root, index, {"tinybase": {}}, settings=more, environ={CACHE_PASSWORD: password, **(environ or {})}
    )


def elsewhere(settings: Settings, **changes: object) -> Settings:
    """The farm on a machine that has built nothing: nothing in its wheelhouse and its cache."""
    for path in (settings.wheelhouse, settings.cache):
        shutil.rmtree(path, ignore_errors=True)
    return settings.replace(**changes)


def use(run: Run) -> CacheUse | None:
    """The hits and misses of the build, which has ended well."""
    assert run.states == {"tinybase": "built"}, [str(each.error) for each in run.outcomes.values()]
    return run.record("tinybase").compiler_cache
