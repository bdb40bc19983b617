"""Files on their way between a farm and a worker, through the scheduler."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from wheelfarm.errors import HashError
from wheelfarm.run.cluster import worker
from wheelfarm.sources.cache import chunks_of, write_chunks
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.run.build_files import SentFile
    from wheelfarm.run.cluster.client import Cluster
    from wheelfarm.run.cluster.request import BuildResult

logger = get_logger(__name__)

_CHUNK: Final = 4 << 20
"""Bytes of a file in one message."""


@dataclass(frozen=True)
class Transfers:
    """Sends files to workers, and gets what they have made."""

    cluster: Cluster

    def send(self, file: SentFile, path: Path, address: str) -> None:
        """Send a file to a worker; what changes on the way is sent once more.

        Raises:
            LostError: when the worker is gone.
            HashError: when it changes again.
        """
        for _ in range(2):
            draft, text, sent = uuid4().hex, file.model_dump_json(), 0
            why = None
            for data in [*_pieces(path)] or [b""]:
                sent += len(data)
                last = sent >= file.size
                why = self.cluster.on_worker(address, worker.receive, text, draft, data, last=last)
            if why is None:
                return
            logger.warning("%s changed on its way to %s: %s", file.filename, address, why)
        raise HashError(f"{file.filename} changed on its way to a worker", where=address, why=str(why))

    def fetch(self, file: SentFile, result: BuildResult, path: Path) -> None:
        """Get a file of a build from its worker; what changes on the way is sent once more.

        Raises:
            LostError: when the worker is gone.
            HashError: when it changes again.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        found = ""
        for _ in range(2):
            offsets = range(0, max(file.size, 1), _CHUNK)
            words = (result.directory, file.filename)
            with path.open("wb") as stream:
                found = write_chunks(
                    stream,
                    (
                        self.cluster.on_worker(result.worker, worker.read, *words, at, _CHUNK)
                        for at in offsets
                    ),
                )
            if found == file.sha256:
                return
            logger.warning("%s changed on its way from %s", file.filename, result.worker)
        path.unlink()
        raise HashError(
            f"{file.filename} changed on its way from a worker",
            where=result.worker,
            why=f"its sha256 was {file.sha256}, and {found} arrived",
        )

    def discard(self, result: BuildResult) -> None:
        """Let a worker remove what it has of a build; nothing depends on it."""
        if result.directory:
            with suppress(Exception):
                self.cluster.on_worker(result.worker, worker.discard, result.directory)


def _pieces(path: Path) -> Iterator[bytes]:
    """A file in pieces as large as a message may be."""
    piece = bytearray()
    for chunk in chunks_of(path):
        piece += chunk
        if len(piece) >= _CHUNK:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
