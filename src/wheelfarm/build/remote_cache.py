"""The remote storage of the compiler cache: a Redis server that machines share.

A build has no network. So while a step of it runs, the farm listens on a socket file that the build sees, and
connects each ccache with the server. It gives the server the password itself: no build sees one. ccache
speaks HTTP over TCP alone, so that its HTTP storage would need a build with a network.

https://ccache.dev/manual/4.14.html#_redis_storage_backend
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wheelfarm.errors import EngineError
from wheelfarm.recipes.settings import CACHE_PASSWORD, CACHE_USERNAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePath

    from wheelfarm.recipes.settings import Settings

SOCKET: Final = "cache.socket"
"""The socket file, in the build directory."""
_PORT: Final = 6379
_CONNECT: Final = 5.0
"""Seconds for a connection and its first answers."""
_CHUNK: Final = 1 << 16
_LONGEST: Final = 103
"""Bytes of the path of a socket file that macOS takes; Linux takes four more: unix(7)."""


@dataclass(frozen=True, kw_only=True)
class RemoteCache:
    """A Redis server.

    Args:
        host: its name or address.
        port: its port.
        database: the number of its database.
        tls: whether it speaks TLS.
        username: for it; empty for its default user.
        password: for it; empty where it asks for none.
        read_only: whether ccache only reads.
    """

    host: str
    port: int = _PORT
    database: int = 0
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    read_only: bool = False

    @classmethod
    def of(cls, settings: Settings) -> RemoteCache | None:
        """The server of the farm's settings; None where they name none, and for a release."""
        if settings.compiler_cache_remote is None or settings.release:
            return None
        parts = urlsplit(settings.compiler_cache_remote)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORT,
            database=int(parts.path.strip("/") or 0),
            tls=parts.scheme == "rediss",
            username=settings.environ.get(CACHE_USERNAME, ""),
            password=settings.environ.get(CACHE_PASSWORD, ""),
            read_only=settings.compiler_cache_read_only,
        )

    @property
    def place(self) -> str:
        """Its address, for messages."""
        return f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        """A connection that the server has accepted.

        Raises:
            OSError: when it does not answer, or refuses the password or the database.
        """
        connection = socket.create_connection((self.host, self.port), timeout=_CONNECT)
        try:
            if self.tls:
                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=self.host)
            if self.password:
                _ask(connection, "AUTH", *([self.username] if self.username else []), self.password)
            if self.database:
                _ask(connection, "SELECT", str(self.database))
            _ask(connection, "PING")
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return connection

    def problem(self) -> str | None:
        """Why builds cannot use it, or None."""
        try:
            self.connect().close()
        except OSError as problem:
            return f"{self.place}: {problem.strerror or problem}"
        return None

    def environment(self, path: PurePath) -> dict[str, str]:
        """The variable for ccache, with the path of the socket file as the build sees it.

        Raises:
            EngineError: when the path is too long for a socket file.
        """
        if len(str(path).encode()) > _LONGEST:
            raise EngineError(
                "a build cannot have the remote compiler cache",
                where=str(path),
                why=f"the path of a socket file has {_LONGEST} bytes at most",
                hint="set `stages` to a shorter path, or leave out compiler-cache-remote",
            )
        attribute = " read-only" if self.read_only else ""
        return {"CCACHE_REMOTE_STORAGE": f"redis+unix:{path.as_posix()}{attribute}"}

    @contextmanager
    def listen(self, path: Path) -> Iterator[None]:
        """Connect whoever connects to a socket file with the server, until the end of the block."""
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            _bind(listener, path)
            # A container may build as another user.
            path.chmod(0o666)
            listener.listen(128)
            Thread(target=self._accept, args=(listener,), daemon=True).start()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                # Wakes the thread that accepts.
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Carry bytes between a ccache and the server; where that does not answer, ccache compiles."""
        with client, suppress(OSError), self.connect() as server:
            _carry(client, server)


def _bind(listener: socket.socket, path: Path) -> None:
    """Make a socket file; a container sees it under a shorter path than this machine."""
    if len(bytes(path)) <= _LONGEST or not sys.platform.startswith("linux"):
        listener.bind(str(path))
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry what arrives at either to the other, until one of them ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, (one, other))
        selector.register(other, selectors.EVENT_READ, (other, one))
        while True:
            for key, _ in selector.select():
                source, target = key.data
                more = True
                # TLS may hold bytes that the selector does not know of.
                while more:
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    target.sendall(data)
                    more = isinstance(source, ssl.SSLSocket) and source.pending() > 0


def _ask(connection: socket.socket, *words: str) -> None:
    """Send a command, as of https://redis.io/docs/latest/develop/reference/protocol-spec/.

    Raises:
        OSError: when the answer is an error.
    """
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded)]
    connection.sendall(b"".join(parts))
    answer = b""
    while not answer.endswith(b"\r\n"):
        # Byte by byte: nothing of a later answer is taken.
        byte = connection.recv(1)
        if not byte:
            raise OSError(f"the server closes the connection after {words[0]}")
        answer += byte
    if not answer.startswith(b"+"):
        raise OSError(answer.decode(errors="replace").strip().removeprefix("-"))
