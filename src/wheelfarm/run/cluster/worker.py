"""What Dask runs on a worker: one task a build, and short calls that move files."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from wheelfarm.build.error_patterns import Failure
from wheelfarm.errors import (
    BuildDirectoryError,
    CancelledRunError,
    FarmError,
    HashError,
    NetworkError,
    ProcessError,
)
from wheelfarm.index.storage import open_storage
from wheelfarm.recipes.farm_settings import default_cache
from wheelfarm.run.build_files import SentFile
from wheelfarm.run.cluster.request import (
    REQUEST,
    RESULT,
    BuildRequest,
    BuildResult,
    ErrorData,
    other_wheelfarm,
)
from wheelfarm.sources.cache import Cache, chunks_of
from wheelfarm.system.files import explain_os_errors, os_problem, remove_tree
from wheelfarm.system.logs import report_unexpected
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from distributed import Worker

_ARRIVAL: Final = 600.0
"""Seconds without a new file after which the farm counts as gone."""
_POLL: Final = 0.2
_BATCH: Final = 0.5
"""Seconds between two messages with lines."""
_MOST_LINES: Final = 200
"""Lines of one message; of more, the last ones are sent. The log has all."""
_ENDING: Final = frozenset({"closing", "closed", "failed"})
"""States of a worker that ends."""
_DRAFTS: Final = "wheelfarm-drafts"


def _cache() -> Cache:
    """The cache of this machine, which all builds on it share."""
    return Cache(Path(os.environ.get("WHEELFARM_CACHE") or default_cache()))


@dataclass(frozen=True)
class _Released:
    """Set when Dask no longer wants the result of a task: the farm has cancelled it, or is gone."""

    worker: Worker
    key: Any

    def is_set(self) -> bool:
        # https://distributed.dask.org/en/stable/worker-state.html: a task that is released while it runs is
        # "cancelled" until it ends.
        task = self.worker.state.tasks.get(self.key)
        return task is None or task.state == "cancelled" or self.worker.status.name in _ENDING


@dataclass
class _Messages:
    """Sends messages of one task to the farm; lines go in batches."""

    worker: Worker
    topic: str
    key: Any
    _lines: list[str] = field(default_factory=list)
    _sent: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, **message: object) -> None:
        about = {"key": self.key, "worker": self.worker.address}
        self.worker.log_event(self.topic, {**about, **message})

    def on_line(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
            due = time.monotonic() - self._sent >= _BATCH
        if due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            lines, self._lines, self._sent = self._lines[-_MOST_LINES:], [], time.monotonic()
        if lines:
            self.send(lines=lines)


def build(version: str, code: str, topic: str, text: str) -> str:
    """Build what a request asks for; the result is a `BuildResult` as JSON.

    Args:
        version: the farm's wheelfarm.
        code: the digest of its code.
        topic: of the messages to the farm.
        text: the request, which only the same wheelfarm can read.
    """
    from distributed import get_worker  # noqa: PLC0415 - an extra

    worker = get_worker()
    key = worker.get_current_task()
    messages = _Messages(worker, topic, key)
    messages.send(began=True)
    try:
        result = _result(version, code, text, messages, _Released(worker, key))
        return result.model_copy(update={"worker": worker.address}).model_dump_json()
    finally:
        messages.send(ended=True)


def _result(version: str, code: str, text: str, messages: _Messages, released: _Released) -> BuildResult:
    if other := other_wheelfarm(version, code):
        return BuildResult(refused=(other,))
    directory = Path(messages.worker.local_directory) / f"wheelfarm-{uuid4().hex}"
    try:
        with report_unexpected(), explain_os_errors(directory, "the directory of the build"):
            directory.mkdir(parents=True)
            request = BuildRequest.model_validate_json(text)
            _Arrival(request, messages, released).wait()
            result = _perform(request, directory, messages, released)
            if request.store is not None:
                _upload(result, directory, request.store, messages)
    except FarmError as error:
        result = BuildResult(error=ErrorData.of(error))
    if result.wheels or result.log:
        return result.model_copy(update={"directory": str(directory)})
    remove_tree(directory)
    return result


def _perform(request: BuildRequest, directory: Path, messages: _Messages, released: _Released) -> BuildResult:
    """Build in a process of its own, which ends with this one."""
    (directory / REQUEST).write_text(request.model_dump_json(), encoding="utf-8")
    cache = _cache().root
    words = (str(directory), str(cache), str(cache / "cluster"))
    command = Command(
        argv=(sys.executable, "-m", "wheelfarm.run.cluster.child", *words),
        env=dict(os.environ),
        cwd=directory,
        cancelled=released,
    )
    finished = run(command, on_line=messages.on_line, check=False)
    messages.flush()
    try:
        return BuildResult.model_validate_json((directory / RESULT).read_bytes())
    except FileNotFoundError:
        last = finished.output.strip().splitlines()[-5:]
        error = ProcessError(
            f"the process of the build ended with {finished.returncode} and left no result",
            where=messages.worker.address,
            why="\n".join(last) or "it printed nothing",
        )
        # Then it could not write its result either.
        error.failure = Failure.OUT_OF_DISK if os.strerror(errno.ENOSPC) in finished.output else None
        raise error from None


@dataclass
class _Arrival:
    """Gets the files of a request into the cache: from the store, or from the farm."""

    request: BuildRequest
    messages: _Messages
    released: _Released

    def wait(self) -> None:
        """Wait until all files are here.

        Raises:
            CancelledRunError: when the build is no longer wanted.
            NetworkError: when the farm sends nothing for long.
        """
        missing = [file for file in self.request.files if _cache().find(file.sha256) is None]
        if self.request.store is not None:
            missing = [file for file in missing if not self._download(file, self.request.store)]
        if not missing:
            return
        self.messages.send(missing=[file.sha256 for file in missing])
        arrived = time.monotonic()
        while missing:
            if self.released.is_set():
                raise CancelledRunError(f"{self.request.name} was stopped")
            here = [file for file in missing if _cache().has(file.sha256)]
            if here:
                arrived = time.monotonic()
                missing = [file for file in missing if file not in here]
            elif time.monotonic() - arrived > _ARRIVAL:
                names = ", ".join(file.filename for file in missing[:3])
                raise NetworkError(f"the farm has not sent {names}", where=self.messages.worker.address)
            time.sleep(_POLL if missing else 0)

    def _download(self, file: SentFile, store: str) -> bool:
        """Take a file from the store; whether it was there and whole. Else the farm sends it."""
        try:
            data = open_storage(store, Path("/")).read(file.store_path)
        except FarmError as error:
            self.messages.send(store=f"{error.what}: {error.why}")
            return False
        if data is None:
            return False
        try:
            _cache().store([data], file.filename, accepted={file.sha256}, origin=store)
        except HashError as error:
            self.messages.send(store=f"{error.what}: {error.why}")
            return False
        return True


def _upload(result: BuildResult, directory: Path, store: str, messages: _Messages) -> None:
    """Put what was made into the store, where the farm gets it; else it asks this worker."""
    files = [*(wheel.file for wheel in result.wheels), *([result.log] if result.log else [])]
    try:
        storage = open_storage(store, Path("/"))
        for file in files:
            storage.put(directory / "out" / file.filename, file.store_path, file.sha256)
    except FarmError as error:
        messages.send(store=f"{error.what}: {error.why}")


def receive(text: str, draft: str, data: bytes, *, last: bool, dask_worker: Worker) -> str | None:
    """Add bytes of the farm to a draft; the last ones make a file of the cache of it.

    Args:
        text: the `SentFile`.
        draft: the draft's name; a new one for each attempt.
        data: the next bytes.
        last: whether they are the last.
        dask_worker: given by Dask.

    Returns:
        What is wrong with the bytes that arrived; None when nothing is.

    Raises:
        BuildDirectoryError: when the disk of the worker is full, or the file cannot be written.
    """
    file = SentFile.model_validate_json(text)
    path = Path(dask_worker.local_directory) / _DRAFTS / Path(draft).name
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as stream:
            stream.write(data)
        if last:
            _cache().store(chunks_of(path), file.filename, accepted={file.sha256}, origin="the farm")
            path.unlink()
    except (OSError, HashError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, HashError):
            return error.why
        raise os_problem(BuildDirectoryError, "the worker cannot keep a file", error, path) from error
    return None


def read(directory: str, filename: str, offset: int, size: int, *, dask_worker: Worker) -> bytes:
    """Bytes of a file that a build has made."""
    with (_own(directory, dask_worker) / "out" / Path(filename).name).open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)


def discard(directory: str, *, dask_worker: Worker) -> None:
    """Remove the directory of a build, whose files the farm has."""
    shutil.rmtree(_own(directory, dask_worker), ignore_errors=True)


def _own(directory: str, worker: Worker) -> Path:
    """The directory of a build of this worker; its name is all that counts."""
    return Path(worker.local_directory) / Path(directory).name
