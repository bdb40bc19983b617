"""The connection of a farm to a Dask scheduler: its workers, one task a build, and messages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from wheelfarm import __version__
from wheelfarm.errors import EngineError, counted
from wheelfarm.run.cluster import worker
from wheelfarm.run.cluster.request import BuildResult, own_code
from wheelfarm.run.cluster.resources import Wanted, start_worker
from wheelfarm.run.schedule import Budget
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from distributed import Client, Future

    from wheelfarm.run.cluster.request import BuildRequest

logger = get_logger(__name__)

_TIMEOUT: Final = 5.0
"""Seconds within which a scheduler answers."""
_START: Final = 10.0
"""Seconds for which the farm waits for the first worker."""
_POLL: Final = 0.5
_CALL: Final = 60.0
"""Seconds within which a worker answers a short call."""
_RETURN: Final = 120.0
"""Seconds for which the farm waits for a scheduler that is gone."""


class LostError(Exception):
    """A worker, the scheduler or the connection to it is gone; the text says which."""


def _import() -> Any:  # noqa: ANN401 - a module
    try:
        import distributed  # noqa: PLC0415 - an extra, which takes half a second to import
    except ImportError as error:
        raise EngineError(
            "builds on workers need a library that is not installed",
            where="--workers",
            why=str(error),
            hint="pip install 'wheelfarm[dask]', in the environment of the farm and of each worker",
        ) from error
    # It reports each lost connection with a traceback; the farm says what that means.
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.comm", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed


def _open(address: str, timeout: float) -> Client:
    client: Client = _import().Client(address, timeout=timeout, set_as_default=False)
    return client


@dataclass
class Cluster:
    """The workers behind a scheduler. Its methods may be called from several threads."""

    address: str
    store: str | None
    topic: str = field(default_factory=lambda: f"wheelfarm-{uuid4().hex}")
    _client: Client | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _queues: dict[str, SimpleQueue[Mapping[str, Any]]] = field(default_factory=dict)
    _gone: EngineError | None = None
    """Set once the scheduler has not come back: no other build waits for it again."""

    @property
    def client(self) -> Client:
        """The connection; a new one when the last is closed.

        Raises:
            EngineError: when no scheduler answers.
        """
        with self._lock:
            if self._gone is not None:
                raise self._gone
            if self._client is None or self._client.status != "running":
                self._client = self._connect(_TIMEOUT if self._client is None else _RETURN)
            return self._client

    @property
    def is_gone(self) -> bool:
        """Whether the scheduler has not come back."""
        return self._gone is not None

    def _connect(self, patience: float) -> Client:
        if self._client is not None:
            with suppress(Exception):
                self._client.close(timeout=1)
        deadline = time.monotonic() + patience
        while True:
            try:
                client = _open(self.address, _TIMEOUT)
            except (OSError, TimeoutError, RuntimeError, TypeError, ValueError) as error:
                # What is wrong with certificates, say, has classes of its own; waiting does not help there.
                if isinstance(error, OSError) and time.monotonic() < deadline:
                    continue
                self._gone = _permanent(
                    EngineError(
                        f"no Dask scheduler answers at {self.address}",
                        where="--workers",
                        why=str(error)[:300],
                        hint="start one, `dask scheduler --port 8786`, or name another by --workers "
                        "tcp://HOST:PORT; `--workers none` builds on this machine",
                    )
                )
                raise self._gone from error
            client.subscribe_topic(self.topic, self._on_event)
            return client

    def _on_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        message = event[1]
        queue = self._queues.get(message.get("key", ""))
        if queue is not None:
            queue.put(message)

    def workers(self) -> dict[str, Mapping[str, float]]:
        """The resources of each worker, by its address."""
        found = self._call(lambda: self.client.scheduler_info(n_workers=-1))["workers"]
        return {address: each.get("resources", {}) for address, each in found.items()}

    def _call(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the call gives
        """Call Dask; what shows that somebody is gone becomes a `LostError`."""
        try:
            return call()
        except EngineError:
            raise
        except (OSError, TimeoutError, RuntimeError, ValueError, KeyError) as error:
            raise LostError(f"{type(error).__name__}: {str(error)[:200]}") from error

    def budget(self, kinds: Iterable[Sequence[str]] = ()) -> Budget:
        """What all workers that take builds may use together, and those of each kind.

        Args:
            kinds: the labels of each kind of workers; a worker may be of several.

        Raises:
            EngineError: when there is no worker with a resource `cpus`.
        """
        deadline, found = time.monotonic() + _START, dict[str, Mapping[str, float]]()
        while not found and time.monotonic() < deadline:
            with suppress(LostError):
                found = self.workers()
            time.sleep(0 if found else _POLL)
        usable = [each for each in found.values() if each.get("cpus")]
        if not usable:
            what = "no worker is there" if not found else "no worker has the resource cpus"
            why = f"{counted(len(found), 'worker')} at {self.address}"
            hint = f"start some: {start_worker(self.address, 'host', 'linux-x86_64')}"
            raise _permanent(EngineError(what, where="--workers", why=why, hint=hint))
        found_of = {
            " ".join(labels): [each for each in usable if all(map(each.get, labels))] for labels in kinds
        }
        of_kinds = {kind: _sum(each) for kind, each in found_of.items() if each}
        return replace(_sum(usable), kinds=of_kinds)

    def candidates(
        self, wanted: Wanted, refused: Mapping[str, Collection[str]], what: str
    ) -> tuple[str, ...]:
        """The workers that a build may go to.

        Raises:
            EngineError: when none fits; it says what each lacks, or why it has refused the build.
        """
        lacking: dict[str, Collection[str]] = {}
        fit = []
        for address, resources in self.workers().items():
            reasons = refused.get(address) or wanted.lacking(resources)
            if reasons:
                lacking[address] = reasons
            else:
                fit.append(address)
        if fit:
            return tuple(fit)
        lines = [f"{address}: {'; '.join(reasons)}" for address, reasons in sorted(lacking.items())]
        raise _permanent(
            EngineError(
                f"no worker fits {what}",
                where=self.address,
                why="\n".join(lines[:8]) or "the cluster has no workers",
                hint=f"start one that does: {start_worker(self.address, *wanted.labels)}",
            )
        )

    @contextmanager
    def submit(
        self, request: BuildRequest, wanted: Wanted, workers: Collection[str] | None
    ) -> Iterator[Task]:
        """Submit a build; the block cancels it where it does not wait for its end.

        Args:
            request: the build.
            wanted: the resources that it takes.
            workers: those that it may go to; None for each that has the resources.
        """
        key = f"{request.name}-{request.variant}-{request.target}-{uuid4().hex[:8]}"
        queue: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
        self._queues[key] = queue
        try:
            future = self._call(
                lambda: self.client.submit(
                    worker.build,
                    *(__version__, own_code(), self.topic, request.model_dump_json()),
                    key=key,
                    resources=wanted.resources(),
                    workers=None if workers is None else list(workers),
                    pure=False,
                    retries=0,
                )
            )
            yield Task(future, queue)
            with suppress(Exception):
                future.release()
        finally:
            del self._queues[key]

    def on_worker(self, address: str, function: Callable[..., Any], *words: object, **more: object) -> Any:  # noqa: ANN401
        """Call a function on a worker.

        Raises:
            LostError: when the worker is gone, or does not answer.
            FarmError: that the function raises.
        """
        options: dict[str, Any] = {**more, "callback_timeout": _CALL}
        return self._call(lambda: self.client.run(function, *words, workers=[address], **options)[address])

    def close(self) -> None:
        """Close the connection; what still runs for it is cancelled."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close(timeout=2)


def _sum(workers: Sequence[Mapping[str, float]]) -> Budget:
    """What some workers may use together, by their resources."""
    cpus = [int(each["cpus"]) for each in workers]
    memory = sum(int(each.get("memory", 0)) for each in workers)
    return Budget(cpus=sum(cpus), memory=memory or None, largest=max(cpus))


def _permanent(error: EngineError) -> EngineError:
    error.retryable = False
    return error


@dataclass(frozen=True)
class Task:
    """A build that was submitted, and its messages."""

    future: Future[Any]
    messages: SimpleQueue[Mapping[str, Any]]

    @property
    def is_pending(self) -> bool:
        return bool(self.future.status == "pending")

    def cancel(self) -> None:
        """Let Dask release it: its worker ends the build."""
        with suppress(Exception):
            self.future.cancel()

    def result(self) -> BuildResult:
        """How it ended.

        Raises:
            LostError: when the workers that it ran on, or the scheduler, are gone.
            EngineError: when Dask could not run it.
        """
        status = self.future.status
        if status != "finished":
            error = self.future.exception(timeout=_TIMEOUT) if status == "error" else None
            if error is None or type(error).__name__ in {"KilledWorker", "CancelledError"}:
                raise LostError(str(error) if error else "the scheduler has lost the build")
            raise _permanent(
                EngineError(
                    "Dask cannot run the build",
                    why=f"{type(error).__name__}: {str(error)[:500]}",
                    hint="the scheduler and the workers need the farm's wheelfarm: pip install "
                    f"'wheelfarm[dask]=={__version__}' there",
                )
            )
        try:
            return BuildResult.model_validate_json(self.future.result(timeout=_CALL))
        except Exception as error:
            raise LostError(f"{type(error).__name__}: {str(error)[:200]}") from error
