"""A static index as a web server hands it out: it can be read, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from wheelfarm.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wheelfarm.index.client import Client
    from wheelfarm.model import Digest


@dataclass(frozen=True)
class Web:
    """The files below the url of a client."""

    client: Client

    def _url(self, path: str) -> str:
        return f"{self.client.base}{quote(path)}"

    def read(self, path: str) -> bytes | None:
        """See `Storage.read`."""
        answer = self.client.get(self._url(path))
        return None if answer is None else answer.content

    def size(self, path: str) -> int | None:
        """See `Storage.size`."""
        content = self.read(path)
        return None if content is None else len(content)

    def write(self, path: str, data: bytes) -> None:
        """Refused."""
        del data
        raise self._refusal(path)

    def put(self, source: Path, path: str, sha256: Digest) -> None:
        """Refused."""
        del source, sha256
        raise self._refusal(path)

    def remove(self, path: str) -> None:
        """Refused."""
        raise self._refusal(path)

    def locked(self) -> AbstractContextManager[Callable[[], None]]:
        """Refused."""
        raise self._refusal("")

    def _refusal(self, path: str) -> PublishError:
        return PublishError("a web server's files can only be read", where=self._url(path))
