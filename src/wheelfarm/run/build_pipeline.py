"""The line: make → gate → store. With `making`, the only place that knows the order."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheelfarm.errors import BuildDirectoryError, CancelledRunError, ChainError
from wheelfarm.gate.clean_environment import GATE
from wheelfarm.gate.gate import pass_gates
from wheelfarm.model import PinnedWheel, RepairedWheel
from wheelfarm.plan.build import check_unchanged
from wheelfarm.provenance.record import Record
from wheelfarm.run.build_lock import Place
from wheelfarm.run.decision import Action, decide
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.run.recording import make_record, regated, slow_compiles
from wheelfarm.run.result import Clock, Done, as_repaired, fetcher_of, unwatched
from wheelfarm.run.reuse import Taking
from wheelfarm.run.test_environments import GateTestPlanner, pinned
from wheelfarm.run.wheel_maker import Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.build.engine import Engine
    from wheelfarm.gate.check import Result
    from wheelfarm.gate.gate import GateTests
    from wheelfarm.model import Name, StoredWheel
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.decision import Decision
    from wheelfarm.run.published import Published
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class BuildListener:
    """Passes the progress of one build on, with the build's name."""

    build: Build
    say: Callable[[Build, str], None]
    watch: Callable[[Build, int], None] = field(default=unwatched)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def on_line(self, line: str) -> None:
        """Pass a line on.

        Raises:
            CancelledRunError: when the build was cancelled.
        """
        if self.cancelled.is_set():
            raise CancelledRunError(f"{self.build.id} was stopped")
        self.say(self.build, line)

    def on_process(self, pid: int) -> None:
        """Pass a process on."""
        self.watch(self.build, pid)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Takes builds of one plan through all steps, with one engine, into one wheelhouse."""

    settings: Settings
    plan: Plan
    recipes: RecipeSet
    engine: Engine
    wheelhouse: Wheelhouse
    say: Callable[[Build, str], None]
    """Hears what is going on, a line at a time."""
    watch: Callable[[Build, int], None] = field(default=unwatched)
    """Learns which process does a build's work."""
    published: Published | None = None
    """Finds wheels in indexes, where they may come from there."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """When set, whatever is running ends."""

    def log(self, build: Build) -> Path:
        """The build's log."""
        return self.settings.work / "logs" / f"{build.id.slug}.log"

    def perform(self, build: Build, jobs: int) -> Outcome:
        """Do what has to be done for a build.

        Args:
            build: one of the plan, whose upstream wheels are stored.
            jobs: its share of the processors.

        Raises:
            FarmError: whatever went wrong, after nothing was stored.
        """
        place = Place(self.engine.stages, build.id.slug)
        clock = Clock()
        try:
            self.log(build).parent.mkdir(parents=True, exist_ok=True)
            # A second run that wants the same wheel waits here, and then finds it in the wheelhouse.
            with clock.step("total"), place.hold(self.listener(build).on_line, self.engine.sweep) as root:
                decision = decide(
                    self.wheelhouse, build, from_nothing=self.settings.from_nothing, published=self.published
                )
                done = self._carry_out(decision, root, clock, jobs)
        except OSError as problem:
            what = f"{build.id}: a file or directory cannot be used"
            hint = "look for a full disk, missing rights, or a file where a directory should be"
            where, why = str(problem.filename or place.root), problem.strerror or str(problem)
            raise BuildDirectoryError(what, where=where, why=why, hint=hint) from problem
        return Outcome(
            build=build,
            state=done.state,
            why="; ".join(decision.why),
            seconds=clock.times["total"],
            wheel=done.wheel.path,
            splits=tuple(split.path for split in done.splits),
            times=tuple(clock.times.items()),
            cache_use=done.record.compiler_cache if done.record else None,
            kept_build=done.record is not None and done.record.kept_build,
            warnings=slow_compiles(done.record, decision.predecessor) if done.record else (),
        )

    def listener(self, build: Build) -> BuildListener:
        """The listener that names the build of each line."""
        return BuildListener(build=build, say=self.say, watch=self.watch, cancelled=self.cancelled)

    def _carry_out(self, decision: Decision, root: Path, clock: Clock, jobs: int) -> Done:
        build = decision.build
        match decision.action:
            case Action.NOTHING:
                main, *splits = self._wheels(build)
                return Done(main, tuple(splits))
            case Action.ACTIVATE:
                keys = [build.key_of(name) for name in build.distributions]
                main, *splits = [self.wheelhouse.activate(build.id.variant, key) for key in keys]
                return Done(main, tuple(splits))
            case Action.GATE:
                return self._gate_again(build, root, clock, jobs)
            case Action.REUSE:
                return self._take(decision, root, clock, jobs) or self._build(build, root, clock, jobs)
            case Action.BUILD:
                return self._build(build, root, clock, jobs)

    def stored(self, build_id: BuildId) -> StoredWheel:
        """The main wheel of a build of the plan, out of the wheelhouse."""
        return self._wheels(self.plan.build(build_id))[0]

    def _wheels(self, build: Build) -> list[StoredWheel]:
        """The stored wheels of a build, the main one first."""
        wheels = []
        for name in build.distributions:
            stored = self.wheelhouse.find(build.id.variant, build.key_of(name))
            if stored is None:
                split = "" if name == build.id.name else f" that is split off as {name}"
                hint = f"nox -s build-{build.id.name}"
                raise ChainError(f"the wheelhouse has no wheel of {build.id}{split}", hint=hint)
            wheels.append(stored)
        return wheels

    def _pinned(self, build_ids: Sequence[BuildId]) -> list[PinnedWheel]:
        """Wheels of the farm, hashed once more before they are used."""
        return [pinned(self.stored(build_id)) for build_id in build_ids]

    def _take(self, decision: Decision, root: Path, clock: Clock, jobs: int) -> Done | None:
        """The published wheels of a build, stored once all of them are verified; None when they are not."""
        build, found = decision.build, decision.found
        if found is None:
            return None
        shutil.rmtree(root, ignore_errors=True)
        taking = Taking(
            build=build,
            found=found,
            settings=self.settings,
            wheelhouse=self.wheelhouse,
            say=self.listener(build).on_line,
            gate=lambda wheels: self._gate(build, wheels, root, self.fetcher(), clock, jobs=jobs),
        )
        taken = taking.run(root / "published", clock)
        if taken is None:
            return None
        with clock.step("store"):
            stored = {name: self._store(build, name, *taken[name]) for name in [*taken][::-1]}
        shutil.rmtree(root, ignore_errors=True)
        return Done.of(build, stored, State.REUSED)

    def _build(self, build: Build, root: Path, clock: Clock, jobs: int) -> Done:
        started = datetime.now(UTC)
        maker = Maker(
            build=build,
            settings=self.settings,
            engine=self.engine,
            root=root,
            jobs=jobs,
            log=self.log(build),
            clock=clock,
            fetcher=self.fetcher(),
            listener=self.listener(build),
        )
        stage, wheels = maker.make(
            self._pinned(build.upstream), before=lambda: self.wheelhouse.ensure_writable(build.id.variant)
        )
        with maker.shedding():
            results = self._gate(build, wheels, root, maker.fetcher, clock, jobs=jobs)
        with clock.step("store"):
            records = {
                name: make_record(
                    stage,
                    name,
                    repaired,
                    results[name],
                    times=clock.times,
                    started=started,
                    log=self.log(build),
                    root=self.settings.root,
                )
                for name, repaired in wheels.items()
            }
            stored = {name: self._store(build, name, wheels[name], records[name]) for name in [*wheels][::-1]}
            # Kept on failure, so that one can look; on success everything is in the wheelhouse and the log.
            maker.clear()
        return Done.of(build, stored, State.BUILT, records[build.id.name])

    def _store(self, build: Build, name: Name, wheel: RepairedWheel, record: Record) -> StoredWheel:
        return self.wheelhouse.store(
            wheel.path,
            sha256=wheel.sha256,
            variant=build.id.variant,
            key=build.key_of(name),
            record=record.to_json(),
        )

    def fetcher(self) -> Fetcher:
        """The fetcher of the farm."""
        return fetcher_of(self.settings)

    def _gate(
        self,
        build: Build,
        wheels: Mapping[Name, RepairedWheel],
        root: Path,
        fetcher: Fetcher,
        clock: Clock,
        *,
        jobs: int,
    ) -> dict[Name, tuple[Result, ...]]:
        with clock.step("fetch"):
            main, *splits = (
                PinnedWheel(name=name, version=build.version, path=wheel.path, sha256=wheel.sha256, farm=True)
                for name, wheel in wheels.items()
            )
            asked = self.gate_planner(fetcher).plan_all(build, main, splits, self.companions(build, fetcher))
        with clock.step("gate"):
            check_unchanged(build)
            return pass_gates(
                asked,
                self.engine,
                root / GATE,
                log=self.log(build),
                listener=self.listener(build),
                jobs=jobs,
            )

    def gate_planner(self, fetcher: Fetcher) -> GateTestPlanner:
        """What furnishes the clean rooms of this line."""
        return GateTestPlanner(
            plan=self.plan,
            recipes=self.recipes,
            engine=self.engine,
            wheelhouse=self.wheelhouse,
            fetcher=fetcher,
        )

    def gate_tests(self, build: Build, wheel: PinnedWheel) -> GateTests:
        """The clean rooms for a wheel of a build."""
        fetcher = self.fetcher()
        return self.gate_planner(fetcher).plan_tests(build, wheel, self.companions(build, fetcher))

    def companions(self, build: Build, fetcher: Fetcher | None = None) -> list[PinnedWheel]:
        """The wheels that the installed wheel needs: from the farm, and from outside by hash.

        Raises:
            FarmError: when one of them is not to be had.
        """
        fetcher = fetcher or self.fetcher()
        locked = [
            fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
            for requirement in build.test_requirements
        ]
        return [*locked, *self._pinned(build.run)]

    def _gate_again(self, build: Build, root: Path, clock: Clock, jobs: int) -> Done:
        wheels = as_repaired(self._wheels(build))
        results = self._gate(build, wheels, root, self.fetcher(), clock, jobs=jobs)
        shutil.rmtree(root, ignore_errors=True)
        done = []
        for name, wheel in wheels.items():
            text = self.wheelhouse.record(build.id.variant, build.key_of(name))
            record = regated(Record.from_json(text, str(wheel.path)), build, results[name])
            done.append(self._store(build, name, wheel, record))
        main, *splits = done
        return Done(main, tuple(splits), state=State.CHECKED)

    def check(self, build: Build) -> dict[Name, tuple[Result, ...]]:
        """Put the stored wheels of a build through their gate again, whatever the records say.

        Raises:
            FarmError: when a wheel is missing or does not pass.
        """
        place = Place(self.engine.stages, f"{build.id.slug}-gate")
        self.log(build).parent.mkdir(parents=True, exist_ok=True)
        wheels = as_repaired(self._wheels(build))
        with place.hold(self.listener(build).on_line, self.engine.sweep) as root:
            try:
                return self._gate(build, wheels, root, self.fetcher(), Clock(), jobs=self.settings.jobs)
            finally:
                shutil.rmtree(root, ignore_errors=True)
