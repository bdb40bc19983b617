"""The line: source → patch → stage → build → repair → gate → store. The only place that knows the order."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheelfarm.engine import run_rendering
from wheelfarm.errors import ChainError, FarmError, StageError
from wheelfarm.gate import pass_gate
from wheelfarm.model import PatchedTree, PinnedWheel, RepairedWheel
from wheelfarm.patches import PatchFile, apply
from wheelfarm.pipeline.clock import Clock
from wheelfarm.pipeline.decision import Action, decide
from wheelfarm.pipeline.place import Place
from wheelfarm.pipeline.recording import make_record, regated
from wheelfarm.pipeline.waiting import keep
from wheelfarm.plan import check_unchanged, file_digest
from wheelfarm.records import Record
from wheelfarm.repair import only_wheel
from wheelfarm.schedule import Outcome, State
from wheelfarm.settings.tables import Provider
from wheelfarm.sources import Fetcher, check_pkg_info, unpack
from wheelfarm.stage import Stage, lay, newest
from wheelfarm.testimony import built_digest, held, read_testimony, toolchain
from wheelfarm.wheels import open_wheel, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wheelfarm.engine import Engine
    from wheelfarm.gate import Result
    from wheelfarm.model import StoredWheel
    from wheelfarm.pipeline.decision import Decision
    from wheelfarm.plan import Build, BuildId, Plan
    from wheelfarm.settings import Settings
    from wheelfarm.wheelhouse import Wheelhouse


@dataclass(frozen=True, kw_only=True)
class Line:
    """Takes builds of one plan through all steps, with one engine, into one wheelhouse."""

    settings: Settings
    plan: Plan
    engine: Engine
    house: Wheelhouse
    say: Callable[[Build, str], None]
    """Hears what is going on, a line at a time."""

    def log(self, build: Build) -> Path:
        """The build's log."""
        return self.settings.work / "logs" / f"{build.id.slug}.log"

    def perform(self, build: Build) -> Outcome:
        """Do what has to be done for a build.

        Raises:
            FarmError: whatever went wrong, after nothing was stored.
        """
        place = Place(self.engine.stages, build.id.slug)
        clock = Clock()
        try:
            self.log(build).parent.mkdir(parents=True, exist_ok=True)
            # A second run that wants the same wheel waits here, and then finds it in the wheelhouse.
            with clock.step("total"), place.hold(lambda line: self.say(build, line)) as root:
                decision = decide(self.house, build)
                wheel = self._carry_out(decision, root, clock)
        except OSError as problem:
            what = f"{build.id}: a file or directory cannot be used"
            hint = "look for a full disk, missing rights, or a file where a directory should be"
            where, why = str(problem.filename or place.root), problem.strerror or str(problem)
            raise StageError(what, where=where, why=why, hint=hint) from problem
        state = {Action.BUILD: State.BUILT, Action.GATE: State.CHECKED}.get(decision.action, State.CACHED)
        return Outcome(
            build=build,
            state=state,
            why="; ".join(decision.why),
            seconds=clock.times["total"],
            wheel=wheel.path,
            times=tuple(clock.times.items()),
        )

    def _carry_out(self, decision: Decision, root: Path, clock: Clock) -> StoredWheel:
        build = decision.build
        match decision.action:
            case Action.NOTHING:
                return self._stored(build.id)
            case Action.POINT:
                return self.house.point(build.id.variant, build.key)
            case Action.GATE:
                return self._gate_again(build, root, clock)
            case Action.BUILD:
                return self._build(build, root, clock)

    def _stored(self, build_id: BuildId) -> StoredWheel:
        stored = self.house.find(build_id.variant, self.plan.build(build_id).key)
        if stored is None:
            hint = f"nox -s build-{build_id.name}"
            raise ChainError(f"the wheelhouse has no wheel of {build_id}", hint=hint)
        return stored

    def _pinned(self, build_ids: Sequence[BuildId]) -> list[PinnedWheel]:
        """Wheels of the farm, hashed once more before they are used."""
        wheels = []
        for build_id in build_ids:
            stored = self._stored(build_id)
            if file_digest(stored.path) != stored.sha256:
                raise ChainError(f"the stored wheel of {build_id} was changed", where=str(stored.path))
            wheels.append(
                PinnedWheel(
                    name=stored.name,
                    version=stored.version,
                    path=stored.path,
                    sha256=stored.sha256,
                    farm=True,
                )
            )
        return wheels

    def _build(self, build: Build, root: Path, clock: Clock) -> StoredWheel:
        started = datetime.now(UTC)
        log = self.log(build)
        fetcher = self._fetcher(build)
        stage = self._stage(build, root, fetcher, clock)
        waiting = self.settings.work / "waiting" / build.key
        repaired = self._earlier(stage, waiting) or self._make(stage, waiting, log, clock)
        results = self._gate(build, repaired, root, fetcher, clock)
        with clock.step("store"):
            record = make_record(
                stage, repaired, results, times=clock.times, started=started, log=log, root=self.settings.root
            )
            stored = self.house.store(
                repaired.path,
                sha256=repaired.sha256,
                variant=build.id.variant,
                key=build.key,
                record=record.to_json(),
            )
            # Kept on failure, so that one can look; on success everything is in the wheelhouse and the log.
            shutil.rmtree(root, ignore_errors=True)
            shutil.rmtree(waiting, ignore_errors=True)
        return stored

    def _earlier(self, stage: Stage, waiting: Path) -> RepairedWheel | None:
        """What an earlier run made and its gate refused: nothing that is compiled has changed since."""
        if not waiting.is_dir():
            return None
        shutil.copytree(waiting, stage.dist, dirs_exist_ok=True)
        try:
            repaired = self._repaired(stage)
        except FarmError:
            # It is damaged, or what it was built on has other bytes by now.
            for directory in (waiting, stage.dist):
                shutil.rmtree(directory)
            stage.dist.mkdir()
            return None
        self.say(stage.build, "taking the wheel that an earlier run has built")
        return repaired

    def _make(self, stage: Stage, waiting: Path, log: Path, clock: Clock) -> RepairedWheel:
        """Let the engine build and repair; keep what came of it until the gate lets it pass."""
        build = stage.build
        log.write_bytes(b"")
        self.house.ensure_writable(build.id.variant)
        with clock.step("build"):
            run_rendering(
                self.engine,
                self.engine.render(stage),
                stage,
                log=log,
                time_limit=self.settings.time_limit,
                on_line=lambda line: self.say(build, line),
            )
        with clock.step("prove"):
            repaired = self._repaired(stage)
            keep(stage.dist, waiting)
        return repaired

    def _fetcher(self, build: Build) -> Fetcher:
        return Fetcher(
            cache=self.settings.cache,
            index_url=self.settings.index_url,
            offline=self.settings.offline,
            progress=lambda line: self.say(build, line),
            environ=self.settings.environ,
        )

    def _stage(self, build: Build, root: Path, fetcher: Fetcher, clock: Clock) -> Stage:
        target, glibc = build.id.target, build.toolchain.glibc
        with clock.step("fetch"):
            source = fetcher.source(build.id.name, build.entry.source)
            locked = [fetcher.wheel(requirement, target, glibc) for requirement in build.requirements]
            provider = None
            if build.entry.recipe.blas and build.variant.provider is Provider.SCIPY_OPENBLAS32:
                wheels = [fetcher.wheel(line, target, glibc) for line in build.provider_requirements]
                provider = wheels[0] if wheels else None
        with clock.step("stage"):
            shutil.rmtree(root, ignore_errors=True)
            tree = unpack(source, root / "unpacked").rename(root / "source")
            check_pkg_info(source, tree)
            epoch = newest(tree)
            series = [PatchFile(path=path) for path in build.patches]
            check_unchanged(build)
            patches = apply(tree, series, recipe=build.id.name, environ=self.settings.environ)
            return lay(
                build,
                root=root,
                inside=self.engine.inside(root, target),
                tree=PatchedTree(source=source, path=tree, patches=patches),
                requirements=[*locked, *self._pinned(build.upstream)],
                provider=provider,
                epoch=epoch,
            )

    def _repaired(self, stage: Stage) -> RepairedWheel:
        """The one repaired wheel, with proof of what it was built with."""
        build = stage.build
        testimony = read_testimony(stage)
        path = only_wheel(stage.dist, name=build.id.name, version=build.version, made_by="the repair tool")
        verify(open_wheel(path))
        return RepairedWheel(
            path=path,
            sha256=file_digest(path),
            built_sha256=built_digest(testimony),
            environment=held(stage, testimony),
            toolchain=toolchain(testimony),
        )

    def _gate(
        self, build: Build, repaired: RepairedWheel, root: Path, fetcher: Fetcher, clock: Clock
    ) -> tuple[Result, ...]:
        with clock.step("fetch"):
            run_with = self.companions(build, fetcher)
        with clock.step("gate"):
            check_unchanged(build)
            wheel = PinnedWheel(
                name=build.id.name,
                version=build.version,
                path=repaired.path,
                sha256=repaired.sha256,
                farm=True,
            )
            return pass_gate(
                build,
                self.engine,
                root / "gate",
                wheel=wheel,
                run_with=run_with,
                log=self.log(build),
                on_line=lambda line: self.say(build, line),
            )

    def companions(self, build: Build, fetcher: Fetcher | None = None) -> list[PinnedWheel]:
        """The wheels that the installed wheel needs: from the farm, and from outside by hash.

        Raises:
            FarmError: when one of them is not to be had.
        """
        fetcher = fetcher or self._fetcher(build)
        locked = [
            fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
            for requirement in build.test_requirements
        ]
        return [*locked, *self._pinned(build.run)]

    def _gate_again(self, build: Build, root: Path, clock: Clock) -> StoredWheel:
        stored = self._stored(build.id)
        wheel = RepairedWheel(path=stored.path, sha256=stored.sha256)
        results = self._gate(build, wheel, root, self._fetcher(build), clock)
        text = self.house.record(build.id.variant, build.key)
        record = regated(Record.from_json(text, str(stored.path)), build, results)
        shutil.rmtree(root, ignore_errors=True)
        return self.house.store(
            stored.path,
            sha256=stored.sha256,
            variant=build.id.variant,
            key=build.key,
            record=record.to_json(),
        )

    def check(self, build: Build) -> tuple[Result, ...]:
        """Put a stored wheel through its gate again, whatever the record says; for `test-<name>`.

        Raises:
            FarmError: when the wheel is missing or does not pass.
        """
        place = Place(self.engine.stages, f"{build.id.slug}-gate")
        self.log(build).parent.mkdir(parents=True, exist_ok=True)
        stored = self._stored(build.id)
        wheel = RepairedWheel(path=stored.path, sha256=stored.sha256)
        with place.hold(lambda line: self.say(build, line)) as root:
            try:
                return self._gate(build, wheel, root, self._fetcher(build), Clock())
            finally:
                shutil.rmtree(root, ignore_errors=True)
