"""The pipeline of one build whose steps run on a worker.

This process decides and stores, under its own lock, as for a build on this machine. The worker has all steps
between: it gets the inputs by digest, and gives back wheels, records and log.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ChainError, EngineError, FarmError
from wheelfarm.index.storage import open_storage
from wheelfarm.model import Digest, RepairedWheel
from wheelfarm.provenance.record import Record
from wheelfarm.run.build_files import BuildFiles
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.build_pipeline import BuildPipeline, run_pipeline
from wheelfarm.run.cluster.attempts import RemoteBuild
from wheelfarm.run.cluster.client import Cluster
from wheelfarm.run.cluster.new_request import new_request
from wheelfarm.run.cluster.resources import labels_of
from wheelfarm.run.decision import Action, decide
from wheelfarm.run.outcome import State
from wheelfarm.run.packed_farm import PackedFarm
from wheelfarm.system.files import remove_tree
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wheelfarm.index.storage import Storage
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.build_files import SentFile
    from wheelfarm.run.cluster.request import BuildResult
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.outcome import Outcome
    from wheelfarm.run.schedule import Budget
    from wheelfarm.run.services import BuildServices

logger = get_logger(__name__)

_RECEIVED: Final = "received"


@dataclass(frozen=True, kw_only=True)
class ClusterRun:
    """What the builds of one run on a cluster share; nothing is opened before it is needed."""

    of: Farm
    cluster: Cluster
    uploaded: set[Digest] = field(default_factory=set)
    """What the store has."""

    @cached_property
    def farm(self) -> PackedFarm:
        """The farm's files."""
        return PackedFarm.of(self.of)

    @cached_property
    def storage(self) -> Storage | None:
        """The shared store; None where files go through the scheduler.

        Raises:
            EngineError: when the store cannot be used.
        """
        return _open_store(self.cluster.store, self.of.settings.root) if self.cluster.store else None

    def open(self, plan: Plan) -> Budget | None:
        """What the builds of a plan may use, of a cluster that answers; None where nothing is to be built.

        Raises:
            EngineError: when no scheduler answers, no worker is there, or the store cannot be used.
        """
        if not any(map(self._needs_worker, plan.builds)):
            return None
        _ = self.storage, self.cluster.client, self.farm
        return self.cluster.budget({labels_of(build) for build in plan.builds})

    def _needs_worker(self, build: Build) -> bool:
        from_nothing, published = self.of.settings.from_nothing, self.of.published
        decision = decide(self.of.wheelhouse, build, from_nothing=from_nothing, published=published)
        return decision.action not in {Action.NOTHING, Action.ACTIVATE, Action.REUSE}

    def perform(self, services: BuildServices, build: Build, share: int) -> Outcome:
        """Take one build of a plan through a worker, with its share of the worker's processors.

        Raises:
            FarmError: whatever goes wrong; then nothing is stored.
        """
        return run_pipeline(RemotePipeline(services=services, build=build, jobs=share, run_on=self))

    def upload(
        self, files: tuple[SentFile, ...], paths: Mapping[Digest, Path], *, again: bool = False
    ) -> None:
        """Put files into the shared store; what it does not take goes through the scheduler."""
        if self.storage is None:
            return
        try:
            for file in files:
                if file.sha256 not in self.uploaded or again:
                    if again or self.storage.size(file.store_path) != file.size:
                        self.storage.put(paths[file.sha256], file.store_path, file.sha256)
                    self.uploaded.add(file.sha256)
        except FarmError as error:
            logger.warning("the store for workers takes no more files: %s: %s", error.what, error.why)


@contextmanager
def connect(farm: Farm) -> Iterator[ClusterRun]:
    """The workers that the settings of a farm name, for one run; the connection ends with the block."""
    settings = farm.settings
    url = settings.workers_store
    if url is not None and "://" not in url:
        url = str(settings.root / url)
    cluster = Cluster(address=settings.workers or "", store=url)
    try:
        yield ClusterRun(of=farm, cluster=cluster)
    finally:
        cluster.close()


def _open_store(url: str, root: Path) -> Storage:
    """The store, once a file was written there and read again."""
    try:
        storage = open_storage(url, root)
        storage.write("wheelfarm", b"wheelfarm\n")
        if storage.read("wheelfarm") == b"wheelfarm\n":
            return storage
        why = "what was written is not what is read"
    except FarmError as error:
        why = "; ".join(filter(None, (error.what, error.why)))
    problem = EngineError(
        "the store for workers cannot be used",
        where=f"workers-store: {url}",
        why=why,
        hint="check the url and the credentials, or leave workers-store out: files go through the scheduler",
    )
    problem.retryable = False
    raise problem


@dataclass(frozen=True, kw_only=True)
class RemotePipeline(BuildPipeline):
    """Takes one build of a plan through a worker."""

    run_on: ClusterRun

    @property
    def lock(self) -> BuildLock:
        """Another than that of a build here: a worker may be on this very machine."""
        return BuildLock(self.services.engine.stages, f"{self.build.id.slug}-workers")

    def run(self) -> Outcome:
        """See `BuildPipeline.run`; the seconds are those of the worker, without the wait for one."""
        outcome = super().run()
        spent = self.timings.seconds.get("worker")
        return outcome if spent is None else replace(outcome, seconds=spent)

    def _build(self, predecessor: Record | None) -> Outcome:
        self.services.wheelhouse.ensure_writable(self.build.id.variant)
        return self._take_from_worker(predecessor, own_wheels=False)

    def _gate_again(self) -> Outcome:
        return self._take_from_worker(None, own_wheels=True)

    def _take_from_worker(self, predecessor: Record | None, *, own_wheels: bool) -> Outcome:
        """Let a worker do it, and store what it made."""
        cluster, received = self.run_on.cluster, self.root / _RECEIVED
        self.log.write_bytes(b"")
        with self.timings.step("fetch"):
            farm, files = self.run_on.farm, BuildFiles(self.services, self.build)
            files.collect(own_wheels=own_wheels)
            paths = {farm.file.sha256: farm.path, **files.paths}
            request = new_request(
                self.services,
                self.build,
                files,
                farm,
                jobs=self.jobs,
                topic=cluster.topic,
                store=cluster.store,
            )
            self.run_on.upload(request.files, paths)
        try:
            result = RemoteBuild(self, request, paths).run(received)
            with self.timings.step("store"):
                outcome = self._store_received(result, received)
        finally:
            remove_tree(self.root)
        for step, seconds in result.times.items():
            self.timings.seconds["worker" if step == "total" else step] = seconds
        if outcome.state is not State.BUILT:
            return outcome
        text = self.services.wheelhouse.record(self.build.id.variant, self.build.key)
        return self.with_record(outcome, Record.from_json(text, str(outcome.wheel)), predecessor)

    def _store_received(self, result: BuildResult, received: Path) -> Outcome:
        """Store wheels whose records are of this build, and of the wheels that the wheelhouse has."""
        build, wheels, records = self.build, {}, {}
        for name, wheel in zip(build.distributions, result.wheels, strict=True):
            record = Record.from_json(wheel.record, wheel.file.filename)
            if record.key != build.key_of(name) or record.key_parts != build.key_parts:
                raise ChainError(
                    f"the record of {wheel.file.filename} is of another build",
                    where=result.worker,
                    why=f"its key is {record.key[:12]}, and {build.key_of(name)[:12]} was wanted",
                )
            path = received / wheel.file.filename
            wheels[name] = RepairedWheel(path=path, sha256=wheel.file.sha256, compiled=record.compiled)
            records[name] = record
        return self._store(State(result.state or State.BUILT), wheels, records)
