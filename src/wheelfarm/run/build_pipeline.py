"""The pipeline of one build. It is the only place that knows the order of the steps.

fetch → patch → build directory → build and repair → verify environment → split → document → gate → store
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from wheelfarm.build.backends import check_settings
from wheelfarm.build.directory import SOURCE, BuildDirectory, make_directory, newest
from wheelfarm.build.environment_report import (
    read_environment_report,
    read_library_provenance,
    verify_environment,
)
from wheelfarm.build.host_engine import programs_environment
from wheelfarm.build.repair import only_wheel
from wheelfarm.build.splits import divide
from wheelfarm.build.steps import remove_containers, run_rendering
from wheelfarm.errors import BuildDirectoryError, CancelledRunError, FarmError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.gate.gate import pass_gates
from wheelfarm.model import PatchedTree, RepairedWheel
from wheelfarm.plan.build import check_unchanged
from wheelfarm.provenance.record import EMBEDDED, Record
from wheelfarm.provenance.sbom import embed
from wheelfarm.recipes.farm_settings import Provider
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.decision import Action, decide
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.recording import embedded_record, make_record, regated, slow_compiles
from wheelfarm.run.reuse import reuse_build
from wheelfarm.run.services import BuildListener, BuildServices, Timings, make_fetcher
from wheelfarm.run.test_environments import GateTestPlanner, pinned, stored_wheels
from wheelfarm.sources.patches import apply
from wheelfarm.sources.unpacking import check_pkg_info, unpack
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.gate.check import Result
    from wheelfarm.model import Name, PinnedWheel, StoredWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.run.decision import Decision
    from wheelfarm.sources.fetcher import Fetcher

    Wheels = Mapping[Name, RepairedWheel]
    """The wheels of a build by distribution, the main one first."""

_SPLIT: Final = "split"
"""The directory of the wheels that the repaired one is divided into, in the build directory."""
_FINISHED: Final = "finished"
"""The directory of the documented wheels, in the build directory."""
_TESTED: Final = frozenset({"dist", _SPLIT, _FINISHED, "gate", "tmp"})
"""The directories that the gate needs."""


@dataclass(frozen=True)
class BuildResult:
    """The stored wheels of a build, the main one first, and the main one's record if it was built now."""

    state: State
    wheels: tuple[StoredWheel, ...]
    record: Record | None = None


@dataclass(frozen=True, kw_only=True)
class BuildPipeline:
    """Takes one build of a plan through all steps."""

    services: BuildServices
    build: Build
    jobs: int = 1
    """Its share of the processors."""
    timings: Timings = field(default_factory=Timings)

    @property
    def lock(self) -> BuildLock:
        """The lock of the build directory."""
        return BuildLock(self.services.engine.stages, self.build.id.slug)

    @property
    def root(self) -> Path:
        """The build directory."""
        return self.lock.root

    @property
    def log(self) -> Path:
        """The build's log."""
        return self.services.settings.work / "logs" / f"{self.build.id.slug}.log"

    @property
    def ungated(self) -> Path:
        """Where a built and repaired wheel waits for the gate, so that a corrected test costs no build."""
        return self.services.settings.work / "ungated" / self.build.key

    @cached_property
    def listener(self) -> BuildListener:
        """Receives the progress of the build."""
        return BuildListener(self.services, self.build)

    @cached_property
    def fetcher(self) -> Fetcher:
        """Fetches sources and wheels."""
        return make_fetcher(self.services.settings)

    @property
    def planner(self) -> GateTestPlanner:
        """Plans the gate's tests of the build's wheels."""
        return GateTestPlanner(self.services, self.fetcher)

    def run(self) -> Outcome:
        """Do what the build needs: nothing, a gate, or all steps.

        The wheels of the builds that it depends on are stored already.

        Raises:
            FarmError: whatever goes wrong; then nothing is stored.
        """
        services, build, timings = self.services, self.build, self.timings
        with self._directory_errors(), timings.step("total"), self.locked(self.lock):
            # A second run that wants the same wheel waits for the lock, and then finds it in the wheelhouse.
            decision = decide(
                services.wheelhouse,
                build,
                from_nothing=services.settings.from_nothing,
                published=services.published,
            )
            result = self._carry_out(decision)
        main, *splits = result.wheels
        record = result.record
        return Outcome(
            build=build,
            state=result.state,
            why="; ".join(decision.why),
            seconds=timings.seconds["total"],
            wheel=main.path,
            splits=tuple(split.path for split in splits),
            times=tuple(timings.seconds.items()),
            cache_use=record.compiler_cache if record else None,
            build_cache=record is not None and record.build_cache,
            warnings=slow_compiles(record, decision.predecessor) if record else (),
        )

    def check(self) -> dict[Name, tuple[Result, ...]]:
        """Put the stored wheels through their gate again, whatever the records say.

        Raises:
            FarmError: when a wheel is missing or does not pass.
        """
        wheels = _as_repaired(stored_wheels(self.services.wheelhouse, self.build))
        lock = BuildLock(self.services.engine.stages, f"{self.build.id.slug}-gate")
        with self._directory_errors(), self.locked(lock):
            try:
                return self._gate(wheels, lock.root)
            finally:
                shutil.rmtree(lock.root, ignore_errors=True)

    @contextmanager
    def locked(self, lock: BuildLock) -> Iterator[None]:
        """Hold a lock of this build, with a directory for its logs."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with lock.hold(self.listener, partial(remove_containers, self.services.engine)):
            yield

    @contextmanager
    def _directory_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise BuildDirectoryError(
                f"{self.build.id}: a file or directory cannot be used",
                where=str(problem.filename or self.root),
                why=problem.strerror or str(problem),
                hint="look for a full disk, missing rights, or a file where a directory should be",
            ) from problem

    def _carry_out(self, decision: Decision) -> BuildResult:
        build, wheelhouse = self.build, self.services.wheelhouse
        match decision.action:
            case Action.NOTHING:
                return BuildResult(State.CACHED, stored_wheels(wheelhouse, build))
            case Action.ACTIVATE:
                keys = [build.key_of(name) for name in build.distributions]
                activated = [wheelhouse.activate(build.id.variant, key) for key in keys]
                return BuildResult(State.CACHED, tuple(activated))
            case Action.GATE:
                return self._gate_again()
            case Action.REUSE:
                return self._reuse(decision) or self._build()
            case Action.BUILD:
                return self._build()

    def _build(self) -> BuildResult:
        started = datetime.now(UTC)
        self.services.wheelhouse.ensure_writable(self.build.id.variant)
        # Hashed once more before they are used.
        stored = [self.planner.stored(build_id) for build_id in self.build.upstream]
        directory, wheels = self.make_wheels([pinned(each) for each in stored])
        with self._cleanup_during_gate():
            results = self._gate(wheels, self.root)
        with self.timings.step("store"):
            records = {
                name: make_record(
                    directory,
                    name,
                    wheel,
                    results[name],
                    times=self.timings.seconds,
                    started=started,
                    log=self.log,
                    root=self.services.settings.root,
                )
                for name, wheel in wheels.items()
            }
            result = self._store(State.BUILT, wheels, records)
            # After a failure the directory stays for whoever looks into it.
            self.clear()
        return replace(result, record=records[self.build.id.name])

    def _reuse(self, decision: Decision) -> BuildResult | None:
        """The build with the wheels of an index, all verified; None when one of them is unusable."""
        if decision.found is None:
            return None
        shutil.rmtree(self.root, ignore_errors=True)
        reused = reuse_build(
            self.services,
            self.build,
            decision.found,
            self.root / "published",
            gate=lambda wheels: self._gate(wheels, self.root),
            listener=self.listener,
            timings=self.timings,
        )
        if reused is None:
            return None
        with self.timings.step("store"):
            wheels = {name: wheel for name, (wheel, _) in reused.items()}
            result = self._store(State.REUSED, wheels, {name: record for name, (_, record) in reused.items()})
        shutil.rmtree(self.root, ignore_errors=True)
        return result

    def _gate_again(self) -> BuildResult:
        wheelhouse, build = self.services.wheelhouse, self.build
        wheels = _as_repaired(stored_wheels(wheelhouse, build))
        results = self._gate(wheels, self.root)
        shutil.rmtree(self.root, ignore_errors=True)
        records = {}
        for name, wheel in wheels.items():
            text = wheelhouse.record(build.id.variant, build.key_of(name))
            records[name] = regated(Record.from_json(text, str(wheel.path)), build, results[name])
        return self._store(State.CHECKED, wheels, records)

    def _store(
        self, state: State, wheels: dict[Name, RepairedWheel], records: Mapping[Name, Record]
    ) -> BuildResult:
        """Store the wheels, the main one last: what finds it finds the splits too."""
        stored = {}
        for name in reversed(wheels):
            stored[name] = self.services.wheelhouse.store(
                wheels[name].path,
                sha256=wheels[name].sha256,
                variant=self.build.id.variant,
                key=self.build.key_of(name),
                record=records[name].to_json(),
            )
        return BuildResult(state, tuple(stored[name] for name in self.build.distributions))

    def _gate(self, wheels: Wheels, root: Path) -> dict[Name, tuple[Result, ...]]:
        with self.timings.step("fetch"):
            subjects = self.planner.plan_all(self.build, wheels)
        with self.timings.step("gate"):
            check_unchanged(self.build)
            return pass_gates(
                subjects,
                self.services.engine,
                root / GATE,
                log=self.log,
                listener=self.listener,
                jobs=self.jobs,
            )

    @contextmanager
    def _cleanup_during_gate(self) -> Iterator[None]:
        """Remove what the gate does not need while it runs: ten thousand files take as long as a test."""
        useless = [path for path in self.root.iterdir() if path.name not in _TESTED and path.is_dir()]
        with ThreadPoolExecutor(max_workers=1) as pool:
            for path in useless:
                pool.submit(shutil.rmtree, path, ignore_errors=True)
            yield

    def clear(self) -> None:
        """Remove the build directory and the ungated wheel."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.ungated, ignore_errors=True)

    def make_wheels(
        self, upstream: Sequence[PinnedWheel]
    ) -> tuple[BuildDirectory, dict[Name, RepairedWheel]]:
        """All steps before the gate: the build directory, and the documented wheels by distribution.

        Args:
            upstream: the farm's wheels for the build environment.

        Raises:
            FarmError: whatever goes wrong.
        """
        directory = self._lay_out(upstream)
        repaired = self._ungated_wheel(directory)
        if repaired is None:
            repaired = self._compile_with_cache(directory)
        with self.timings.step("split"):
            plan = read_environment_report(directory).install_plan
            wheels = divide(self.build, repaired, plan, self.root / _SPLIT)
        with self.timings.step("document"):
            return directory, {name: self._document(directory, name, each) for name, each in wheels.items()}

    def _lay_out(self, upstream: Sequence[PinnedWheel]) -> BuildDirectory:
        """Fetch the source and the locked wheels, patch the source tree, and lay out the build directory."""
        build, fetcher, root = self.build, self.fetcher, self.root
        settings, target, glibc = self.services.settings, build.id.target, build.toolchain.glibc
        with self.timings.step("fetch"):
            source = fetcher.source(build.id.name, build.recipe.source)
            locked = [fetcher.wheel(requirement, target, glibc) for requirement in build.requirements]
            provider = None
            if build.recipe.table.blas and build.variant.provider is Provider.SCIPY_OPENBLAS32:
                wheels = [fetcher.wheel(line, target, glibc) for line in build.provider_requirements]
                provider = wheels[0] if wheels else None
        with self.timings.step("prepare"):
            shutil.rmtree(root, ignore_errors=True)
            tree = unpack(source, root / "unpacked").rename(root / SOURCE)
            check_pkg_info(source, tree)
            epoch = newest(tree)
            check_unchanged(build)
            patches = apply(tree, build.patches, recipe=build.id.name, environ=settings.environ)
            # The programs that know a project's options take as long as laying out the rest.
            with ThreadPoolExecutor(max_workers=1) as pool:
                env = programs_environment(settings)
                unchecked = pool.submit(check_settings, build, tree, env)
                directory = make_directory(
                    build,
                    root=root,
                    inside=self.services.engine.inside(root, target),
                    tree=PatchedTree(source=source, path=tree, patches=patches),
                    requirements=[*locked, *upstream],
                    provider=provider,
                    epoch=epoch,
                    jobs=self.jobs,
                )
            for why in unchecked.result():
                self.listener.on_line(f"{build.recipe.where}: {why}")
            return directory

    def _ungated_wheel(self, directory: BuildDirectory) -> RepairedWheel | None:
        """The wheel that an earlier run built and its gate refused: its build key is the same."""
        if not self.ungated.is_dir():
            return None
        shutil.copytree(self.ungated, directory.dist, dirs_exist_ok=True)
        try:
            repaired = self._verify_environment(directory)
            read_library_provenance(directory)
            verify(open_wheel(repaired.path))
        except CancelledRunError:
            raise
        except FarmError:
            # It is damaged, or what it was built on has other bytes by now.
            repaired = None
        if repaired is None or (self.services.settings.from_nothing and not repaired.from_nothing):
            for stale in (self.ungated, directory.dist):
                shutil.rmtree(stale)
            directory.dist.mkdir()
            return None
        self.listener.on_line("using the wheel that an earlier run built")
        return repaired

    def _compile_with_cache(self, directory: BuildDirectory) -> RepairedWheel:
        """Compile, from the build cache where the engine has one for this build."""
        cache = self.services.engine.build_cache(directory)
        if cache is None:
            return self._compile(directory)
        with self.timings.step("cache"):
            cached = cache.restore(directory)
        repaired = self._compile(directory)
        with self.timings.step("cache"):
            cache.save(cached)
        return repaired

    def _compile(self, directory: BuildDirectory) -> RepairedWheel:
        """Let the engine build and repair, and keep the result until the gate lets it pass."""
        self.log.write_bytes(b"")
        with self.timings.step("build"):
            run_rendering(
                self.services.engine,
                self.services.engine.render(directory),
                directory,
                log=self.log,
                time_limit=self.services.settings.time_limit,
                listener=self.listener,
            )
        with self.timings.step("verify"):
            repaired = self._verify_environment(directory)
            _copy_whole(directory.dist, self.ungated)
        return repaired

    def _verify_environment(self, directory: BuildDirectory) -> RepairedWheel:
        """The repaired wheel with what the environment report says, once that fits the plan."""
        build, report = directory.build, read_environment_report(directory)
        path = only_wheel(
            directory.dist, name=build.id.name, version=build.version, made_by="the repair tool"
        )
        return RepairedWheel(
            path=path,
            sha256=sha256_of_file(path),
            built_sha256=report.built.sha256,
            environment=verify_environment(directory, report),
            toolchain=report.toolchain,
            cache_use=report.compiler_cache,
            build_cache=report.build_cache,
        )

    def _document(self, directory: BuildDirectory, name: Name, wheel: RepairedWheel) -> RepairedWheel:
        """The wheel with its SBOM, license texts and embedded record."""
        record = embedded_record(directory, name, wheel).to_json().encode()
        finished = directory.root / _FINISHED
        return embed(
            directory, wheel, read_library_provenance(directory), finished, members={EMBEDDED: record}
        )


def run_build(services: BuildServices, build: Build, jobs: int) -> Outcome:
    """Take one build of a plan through the pipeline, with its share of the processors.

    Raises:
        FarmError: whatever goes wrong; then nothing is stored.
    """
    return BuildPipeline(services=services, build=build, jobs=jobs).run()


def _as_repaired(stored: Sequence[StoredWheel]) -> dict[Name, RepairedWheel]:
    """Stored wheels as the gate takes them."""
    return {wheel.name: RepairedWheel(path=wheel.path, sha256=wheel.sha256) for wheel in stored}


def _copy_whole(directory: Path, target: Path) -> None:
    """Copy a directory so that the copy is there whole or not at all."""
    draft = target.with_name(f".{target.name}")
    for old in (draft, target):
        shutil.rmtree(old, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(directory, draft)
    draft.rename(target)
