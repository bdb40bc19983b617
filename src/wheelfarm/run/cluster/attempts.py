"""One build on the workers, from its submission to the last byte of its wheels, whatever fails on the way."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import BuildDirectoryError, CancelledRunError, EngineError, FarmError
from wheelfarm.run.cluster.client import LostError
from wheelfarm.run.cluster.request import BuildResult, ErrorData
from wheelfarm.run.cluster.resources import Wanted, labels_of
from wheelfarm.run.cluster.transfers import Transfers
from wheelfarm.run.estimates import need
from wheelfarm.sources.cache import mismatch, write_chunks
from wheelfarm.system.files import explain_os_errors
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Digest
    from wheelfarm.run.build_files import SentFile
    from wheelfarm.run.cluster.client import Cluster, Task
    from wheelfarm.run.cluster.pipeline import RemotePipeline
    from wheelfarm.run.cluster.request import BuildRequest

logger = get_logger(__name__)

_FAULTS: Final = 3
"""Workers that may be lost over one build. The scheduler's own limit, `allowed-failures`, is the same."""
_PAUSE: Final = 1.0
"""Seconds until a build begins again: what has ended may not be noticed everywhere yet."""
_POLL: Final = 0.2
_PATIENCE: Final = 60.0
"""Seconds for which a build waits for a worker after one was lost."""
_LOOK: Final = 5.0
"""Seconds between two looks whether a waiting build still has a worker to go to."""
_END: Final = 6.0
"""Seconds for a worker to end a build that was cancelled; its programs get five."""


@dataclass(frozen=True)
class RemoteBuild:
    """One build on the workers: goes to another worker after a fault, and when one refuses it."""

    pipeline: RemotePipeline
    request: BuildRequest
    paths: Mapping[Digest, Path]

    @property
    def _cluster(self) -> Cluster:
        return self.pipeline.run_on.cluster

    @property
    def _transfers(self) -> Transfers:
        return Transfers(self._cluster)

    def run(self, received: Path) -> BuildResult:
        """Let a worker build, and get its wheels into a directory here.

        Raises:
            FarmError: of the build, or because no worker can have it.
        """
        refused: dict[str, tuple[str, ...]] = {}
        name, lost, fault = str(self.pipeline.build.id), 0, None
        while True:
            try:
                result = self._attempt(refused, patience=_PATIENCE if lost else 0.0)
                if not result.refused and not _is_full(result):
                    self._receive(result, received)
                    self._transfers.discard(result)
                    if result.error is not None:
                        raise result.error.error(self.pipeline.log)
                    return result
            except LostError as error:
                lost, fault = lost + 1, error
                if lost > _FAULTS:
                    problem = EngineError(
                        f"{lost} workers were lost over {name}",
                        where=self._cluster.address,
                        why=str(fault),
                        hint="the logs of the workers say why they ended: often their memory was too small",
                    )
                    problem.retryable = False
                    raise problem from error
                self._say(f"lost: {error}; the build begins again")
                time.sleep(_PAUSE)
                continue
            reasons = result.refused or tuple(result.error.error(None).lines() if result.error else ())
            refused[result.worker] = reasons
            self._say(f"{result.worker} does not build it: {'; '.join(reasons)}")
            self._transfers.discard(result)

    def _say(self, text: str) -> None:
        logger.warning("%s: %s", self.pipeline.build.id, text)

    def _attempt(self, refused: Mapping[str, tuple[str, ...]], patience: float) -> BuildResult:
        """Submit the build, follow it to its end, and return its result."""
        cluster, build = self._cluster, self.pipeline.build
        wanted = Wanted(cpus=self.pipeline.jobs, memory=need(build).memory, labels=labels_of(build))
        deadline = time.monotonic() + patience
        while (workers := self._candidates(wanted, refused, deadline)) is None:
            time.sleep(_POLL)
        with cluster.submit(self.request, wanted, workers if refused else None) as task:
            try:
                return self._follow(task, wanted, refused, workers)
            except LostError:
                task.cancel()
                raise
            except BaseException:
                task.cancel()
                self._wait_for_end(task)
                raise

    def _candidates(
        self, wanted: Wanted, refused: Mapping[str, tuple[str, ...]], deadline: float
    ) -> tuple[str, ...] | None:
        """The workers that the build may go to; None while none is there and the deadline is to come.

        Raises:
            EngineError: when none fits after the deadline.
        """
        try:
            return self._cluster.candidates(wanted, refused, str(self.pipeline.build.id))
        except EngineError:
            if time.monotonic() >= deadline or self._cluster.is_gone:
                raise
            self._check_cancelled()
            return None

    def _check_cancelled(self) -> None:
        if self.pipeline.listener.cancelled.is_set():
            self.pipeline.listener.on_line("")

    def _follow(
        self,
        task: Task,
        wanted: Wanted,
        refused: Mapping[str, tuple[str, ...]],
        workers: tuple[str, ...],
    ) -> BuildResult:
        worker: str | None = None
        looked = time.monotonic()
        deadline = looked + _PATIENCE
        while True:
            message: Mapping[str, object] = {}
            with suppress(Empty):
                message = task.messages.get(timeout=_POLL)
            worker = self._worker_of(message, worker)
            try:
                self._handle(message)
            except BuildDirectoryError as error:
                # The worker cannot keep what it is sent.
                task.cancel()
                return BuildResult(error=ErrorData.of(error), worker=str(message["worker"]))
            self._check_cancelled()
            if message:
                continue
            if not task.is_pending:
                result = task.result()
                if result.error is not None and result.error.slug == CancelledRunError.slug:
                    raise LostError(f"{result.worker} ended it")
                return result
            if time.monotonic() - looked > _LOOK:
                looked = time.monotonic()
                now = self._candidates(wanted, refused, deadline)
                if now is None:
                    continue
                deadline = looked + _PATIENCE
                if refused and set(now).isdisjoint(workers):
                    raise LostError("the workers that it could go to are gone")

    def _worker_of(self, message: Mapping[str, object], before: str | None) -> str | None:
        """The worker that builds, after a message; Dask gives the build of a lost one to another itself."""
        if not message.get("began"):
            return before
        if before is not None:
            self._say(f"{before} was lost; {message['worker']} begins it again")
        return str(message["worker"])

    def _handle(self, message: Mapping[str, object]) -> None:
        """Pass lines on, and send the files that a worker lacks."""
        lines = message.get("lines")
        if isinstance(lines, list | tuple):
            with self.pipeline.log.open("a", encoding="utf-8") as log:
                log.writelines(f"{line}\n" for line in lines)
            for line in lines:
                self.pipeline.listener.on_line(str(line))
        if message.get("store"):
            self._say(f"{message['worker']} cannot use the store: {message['store']}")
        missing = message.get("missing")
        if isinstance(missing, list | tuple):
            files = tuple(file for file in self.request.files if file.sha256 in missing)
            for file in files:
                self._transfers.send(file, self.paths[file.sha256], str(message["worker"]))
            # The store's own copies are damaged or gone.
            self.pipeline.run_on.upload(files, self.paths, again=True)

    def _wait_for_end(self, task: Task) -> None:
        """Wait until the worker says that the build has ended there."""
        deadline = time.monotonic() + _END
        with suppress(Empty):
            while time.monotonic() < deadline:
                if task.messages.get(timeout=max(0.0, deadline - time.monotonic())).get("ended"):
                    return

    def _receive(self, result: BuildResult, received: Path) -> None:
        """Get the wheels and the log, each verified."""
        with self.pipeline.timings.step("receive"):
            for wheel in result.wheels:
                self._get(wheel.file, result, received / wheel.file.filename)
            if result.log is not None:
                path = received / "log"
                self._get(result.log, result, path)
                shutil.copyfile(path, self.pipeline.log)

    def _get(self, file: SentFile, result: BuildResult, path: Path) -> None:
        storage = self.pipeline.run_on.storage
        if storage is not None:
            try:
                data = storage.read(file.store_path)
                if data is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as stream:
                        found = write_chunks(stream, [data])
                    if found == file.sha256:
                        return
                    raise mismatch(file.filename, "the store", pinned=[file.sha256], found=found)
            except FarmError as error:
                self._say(f"the store's {file.filename} is not used: {error.why}")
        with explain_os_errors(path, "what a worker made"):
            self._transfers.fetch(file, result, path)


def _is_full(result: BuildResult) -> bool:
    """Whether the disk of a worker was full: another may have more."""
    return result.error is not None and result.error.failure == "out-of-disk"
