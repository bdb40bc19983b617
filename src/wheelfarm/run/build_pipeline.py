"""The pipeline of one build. It is the only place that knows the order of the steps.

fetch → patch → build directory → build and repair → verify environment → split → document → gate → store
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from wheelfarm.build.environment_report import read_environment_report
from wheelfarm.build.public_wheel import take_over
from wheelfarm.build.splits import divide
from wheelfarm.build.steps import remove_containers, run_rendering
from wheelfarm.build.unused_variables import check_unused_variables
from wheelfarm.errors import ChainError, Collector, FarmError, RecordError, proposal_of
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.gate.gate import pass_gates
from wheelfarm.model import CompiledObjects, PublicWheel, RepairedWheel
from wheelfarm.plan.build import check_unchanged
from wheelfarm.provenance.record import Record
from wheelfarm.recipes.lock_checks import check_farm_requirements, check_run_requirements
from wheelfarm.run.build_layout import lay_out
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.decision import Action, decide
from wheelfarm.run.edited_source import refuse_edited
from wheelfarm.run.last_proposal import adapt_proposal, explain_version, remember_proposal
from wheelfarm.run.numpy_abi import explain_failed_gate
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.recording import document, make_record, missing_isolation, regated, slow_compiles
from wheelfarm.run.reuse import reuse_build
from wheelfarm.run.services import BuildListener, BuildServices, Timings
from wheelfarm.run.stored_sizes import grown, loose_limits, measured_size
from wheelfarm.run.test_environments import GateTestPlanner, pinned, stored_wheels
from wheelfarm.run.ungated import UNGATED, UngatedWheel, verify_repaired
from wheelfarm.system.files import remove_tree
from wheelfarm.system.logs import report_unexpected
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.gate.check import Result
    from wheelfarm.model import Name, PinnedWheel, StoredWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.run.decision import Decision
    from wheelfarm.run.reuse import PublishedBuild

    Wheels = dict[Name, RepairedWheel]
    """The wheels of a build by distribution, the main one first."""

_SPLIT: Final = "split"
"""The directory of the wheels that the repaired one is divided into, in the build directory."""
_FINISHED: Final = "finished"
"""The directory of the documented wheels, in the build directory."""
_TESTED: Final = frozenset({"dist", _SPLIT, _FINISHED, "gate", "tmp"})
"""The directories that the gate needs."""


def run_build(services: BuildServices, build: Build, jobs: int) -> Outcome:
    """Take one build of a plan through the pipeline, with its share of the processors.

    Raises:
        FarmError: whatever goes wrong; then nothing is stored.
    """
    return run_pipeline(BuildPipeline(services=services, build=build, jobs=jobs))


def run_pipeline(pipeline: BuildPipeline) -> Outcome:
    """Run a pipeline, and remember the edit that its failure proposes.

    Raises:
        FarmError: whatever goes wrong; then nothing is stored.
    """
    services, build = pipeline.services, pipeline.build
    with report_unexpected(pipeline.log):
        try:
            outcome = pipeline.run()
        except FarmError as error:
            explain_version(error, build, pipeline.log)
            adapt_proposal(error, build, services.recipes)
            explain_failed_gate(error, build)
            remember_proposal(services.settings, build, proposal_of(error))
            raise
        remember_proposal(services.settings, build, None)
        return outcome


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
        return BuildLock(self.services.engine.stages, self.build.id.slug)

    @property
    def root(self) -> Path:
        """The build directory."""
        return self.lock.root

    @property
    def log(self) -> Path:
        return self.services.settings.work / "logs" / f"{self.build.id.slug}.log"

    @property
    def ungated(self) -> UngatedWheel:
        return UngatedWheel(self.services.settings.work / UNGATED / self.build.key)

    @cached_property
    def listener(self) -> BuildListener:
        return BuildListener(self.services, self.build)

    @property
    def planner(self) -> GateTestPlanner:
        return GateTestPlanner(self.services)

    def run(self) -> Outcome:
        """Do what the build needs: nothing, a gate, or all steps.

        The wheels of the builds that it depends on are stored already.
        """
        services, timings = self.services, self.timings
        with timings.step("total"), self.locked(self.lock):
            refuse_edited(self.root, build=self.build.id.name, environ=services.settings.environ)
            services.wheelhouse.complete(self.build.id.variant)
            # A second run that wants the same wheel waits for the lock, and then finds it in the wheelhouse.
            decision = decide(
                services.wheelhouse,
                self.build,
                from_nothing=services.settings.from_nothing,
                published=services.published,
            )
            outcome = self._carry_out(decision)
        return replace(
            outcome,
            why="; ".join(decision.why),
            seconds=timings.seconds["total"],
            times=tuple(timings.seconds.items()),
        )

    def check(self) -> dict[Name, tuple[Result, ...]]:
        """Put the stored wheels through their gate again, whatever the records say.

        Raises:
            FarmError: when a wheel is missing or does not pass.
        """
        wheels = self._stored_as_repaired()
        lock = BuildLock(self.services.engine.stages, f"{self.build.id.slug}-gate")
        with self.locked(lock):
            try:
                return self._gate(wheels, lock.root)
            finally:
                remove_tree(lock.root)

    @contextmanager
    def locked(self, lock: BuildLock) -> Iterator[None]:
        """Hold a lock of this build, with a directory for its logs."""
        with lock.hold(self.listener, partial(remove_containers, self.services.engine)):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            yield

    def _carry_out(self, decision: Decision) -> Outcome:
        build, wheelhouse = self.build, self.services.wheelhouse
        match decision.action:
            case Action.NOTHING:
                # A run that was killed after it stored the wheel has left them.
                self.clear()
                return self._outcome(State.CACHED, stored_wheels(wheelhouse, build))
            case Action.ACTIVATE:
                self.clear()
                keys = [build.key_of(name) for name in build.distributions]
                activated = [wheelhouse.activate(build.id.variant, key) for key in keys]
                return self._outcome(State.CACHED, activated)
            case Action.GATE:
                return self._gate_again()
            case Action.REUSE if decision.found is not None:
                return self._reuse(decision.found) or self._build_anew(decision)
            case _:
                return self._build_anew(decision)

    def _build_anew(self, decision: Decision) -> Outcome:
        """Build, unless the key of the build is that of a stored wheel, which other inputs would not make.

        Raises:
            ChainError: when the stored wheel has been removed or damaged since the plan was made.
        """
        if self.build.has_stored_inputs:
            problem = ChainError(
                f"the stored wheel of {self.build.id} changed while the farm ran",
                why="; ".join(decision.why),
                hint="run it again: the next plan builds it",
            )
            problem.retryable = False
            raise problem
        return self._build(decision.predecessor)

    def _outcome(self, state: State, wheels: Sequence[StoredWheel]) -> Outcome:
        main, *splits = (wheel.path for wheel in wheels)
        return Outcome(build=self.build, state=state, why="", wheel=main, splits=tuple(splits))

    def _build(self, predecessor: Record | None) -> Outcome:
        started = datetime.now(UTC)
        self.services.wheelhouse.ensure_writable(self.build.id.variant)
        # Hashed once more before they are used.
        upstream = [pinned(self.planner.stored(build_id)) for build_id in self.build.upstream]
        directory, wheels = self.make_wheels(upstream)
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
                    isolation=self.services.engine.isolation(self.build),
                )
                for name, wheel in wheels.items()
            }
            outcome = self._store(State.BUILT, wheels, records)
            # After a failure the directory stays for whoever looks into it.
            self.clear()
        return self.with_record(outcome, records[self.build.id.name], predecessor)

    def with_record(self, outcome: Outcome, record: Record, predecessor: Record | None) -> Outcome:
        """The outcome with what the record of the main wheel says."""
        return replace(
            outcome,
            cache_use=record.compiler_cache,
            build_cache=record.build_cache,
            warnings=(
                *missing_isolation(record),
                *record.warnings,
                *slow_compiles(record, predecessor),
                *grown(record, predecessor),
                *loose_limits(self.build.resolved, measured_size(record), self.build.recipe),
            ),
        )

    def _reuse(self, found: PublishedBuild) -> Outcome | None:
        """The build with the wheels of an index, all verified; None when one of them is unusable."""
        remove_tree(self.root)
        reused = reuse_build(
            self.services,
            self.build,
            found,
            self.root / "published",
            gate=lambda wheels: self._gate(wheels, self.root),
            listener=self.listener,
            timings=self.timings,
        )
        if reused is None:
            return None
        with self.timings.step("store"):
            outcome = self._store(State.REUSED, *reused)
        remove_tree(self.root)
        return outcome

    def _gate_again(self) -> Outcome:
        wheelhouse, build = self.services.wheelhouse, self.build
        wheels = self._stored_as_repaired()
        results = self._gate(wheels, self.root)
        remove_tree(self.root)
        records = {}
        for name, wheel in wheels.items():
            text = wheelhouse.record(build.id.variant, build.key_of(name))
            records[name] = regated(Record.from_json(text, str(wheel.path)), build, results[name])
        return self._store(State.CHECKED, wheels, records)

    def _store(self, state: State, wheels: Wheels, records: Mapping[Name, Record]) -> Outcome:
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
        return self._outcome(state, [stored[name] for name in self.build.distributions])

    def _gate(self, wheels: Wheels, root: Path) -> dict[Name, tuple[Result, ...]]:
        with self.timings.step("fetch"):
            tests = self.planner.plan_all(self.build, wheels)
        with self.timings.step("gate"):
            check_unchanged(self.build)
            return pass_gates(
                tests,
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
                pool.submit(remove_tree, path)
            yield

    def clear(self) -> None:
        """Remove the build directory and the ungated wheel."""
        remove_tree(self.root)
        self.ungated.remove()

    def make_wheels(self, upstream: Sequence[PinnedWheel]) -> tuple[BuildDirectory, Wheels]:
        """All steps before the gate, with the farm's wheels for the build environment."""
        directory = lay_out(self, upstream)
        repaired = self.ungated.restore(directory, from_nothing=self.services.settings.from_nothing)
        if repaired is None:
            repaired = self._compile(directory)
        else:
            self.listener.on_line("using the wheel that an earlier run built")
        with self.timings.step("split"):
            plan = read_environment_report(directory).install_plan
            wheels = divide(self.build, repaired, plan, self.root / _SPLIT)
        self._check_run_requires(wheels[self.build.id.name])
        with self.timings.step("document"):
            finished = self.root / _FINISHED
            documented = {name: document(directory, name, each, finished) for name, each in wheels.items()}
        return directory, documented

    def _check_run_requires(self, wheel: RepairedWheel) -> None:
        """Refuse a wheel that needs others of the farm than the recipe names; it stays ungated."""
        build, problems = self.build, Collector()
        stated = open_wheel(wheel.path).metadata.requires_dist
        check_farm_requirements(
            build.recipe,
            self.services.recipes,
            [build.id.target],
            requires=(),
            run_requires=stated,
            problems=problems,
        )
        check_run_requirements(build.recipe, self.services.recipes, stated, problems)
        problems.check()

    def _compile(self, directory: BuildDirectory) -> RepairedWheel:
        """Let the engine build and repair, and keep the result until the gate lets it pass."""
        services, cache = self.services, self.services.engine.build_cache(directory)
        if cache is not None:
            with self.timings.step("cache"):
                cached = cache.restore(directory)
        self.log.write_bytes(b"")
        with self.timings.step("build"):
            if isinstance(self.build.recipe.source, PublicWheel):
                take_over(directory)
            else:
                run_rendering(
                    services.engine,
                    services.engine.render(directory),
                    directory,
                    log=self.log,
                    time_limit=services.settings.time_limit,
                    listener=self.listener,
                )
        with self.timings.step("verify"):
            check_unused_variables(self.build, self.log)
            repaired = verify_repaired(directory)
            self.ungated.save(directory)
        if cache is not None:
            with self.timings.step("cache"):
                cache.save(cached)
        return repaired

    def _stored_as_repaired(self) -> Wheels:
        """Stored wheels as the gate takes them."""
        wheelhouse, wheels = self.services.wheelhouse, {}
        for wheel in stored_wheels(wheelhouse, self.build):
            compiled = CompiledObjects()
            with suppress(RecordError):
                text = wheelhouse.record(wheel.variant, wheel.key)
                compiled = Record.from_json(text, str(wheel.path)).compiled
            wheels[wheel.name] = RepairedWheel(path=wheel.path, sha256=wheel.sha256, compiled=compiled)
        return wheels
