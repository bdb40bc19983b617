"""Building a stored wheel again, from its record alone and apart from the wheelhouse."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.containers import container_engine, default_image
from wheelfarm.errors import BuildDirectoryError, Collector, EngineError, RecordError
from wheelfarm.provenance.key_comparison import compare
from wheelfarm.run.build_lock import Place
from wheelfarm.run.build_pipeline import BuildListener
from wheelfarm.run.engines import choose_engine
from wheelfarm.run.recorded_inputs import Recorded, Supplies, record_place
from wheelfarm.run.recording import make_record
from wheelfarm.run.result import Clock, fetcher_of, unwatched
from wheelfarm.run.wheel_maker import Maker
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Engine
    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

WORK: Final = "rebuild"
"""Below the farm's own directory: where wheels are built again when nobody says where."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What came of one wheel: it stands here twice, with a record of each."""

    stored: Path
    wheel: Path
    """The new wheel."""
    before: Record
    after: Record

    @property
    def identical(self) -> bool:
        """Whether both wheels have the same bytes."""
        return self.before.wheel.sha256 == self.after.wheel.sha256


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """One build whose stored wheels are to be made again.

    Nothing of today's recipes counts, and nothing that an earlier build has compiled.
    """

    record: Record
    """That of the main wheel."""
    splits: tuple[Record, ...]
    """Those of the wheels that were split off, if any."""
    settings: Settings
    """With a directory of its own for work, and the engine and paths that the record tells."""
    wheelhouse: Wheelhouse
    farm: Settings
    """Those of the farm, whose patches an old record needs."""
    say: Callable[[str], None] = field(default=lambda _line: None)

    @classmethod
    def of(
        cls,
        record: Record,
        *splits: Record,
        settings: Settings,
        wheelhouse: Wheelhouse,
        work: Path | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> Rebuild:
        """The rebuild of what records tell.

        Args:
            record: of a stored wheel.
            splits: those of the wheels that were split off it.
            settings: the farm's.
            wheelhouse: where that wheel, and those that it was built on, are stored.
            work: where it is built; by default below the farm's own directory.
            say: hears what goes on.
        """
        stages = record.key_parts.get("toolchain.stages")
        own = replace(
            settings,
            work=(work or settings.work / WORK).absolute(),
            # The path of a stage on this machine ends up in wheels, so it has to be that of then.
            stages=Path(stages) if stages else settings.stages,
            engine=record.engine,
            pythons=(record.target.python,),
            images={**settings.images, **_image(record, settings)},
            release=True,
            compiler_cache=False,
        )
        return cls(record=record, splits=splits, settings=own, wheelhouse=wheelhouse, farm=settings, say=say)

    @cached_property
    def engine(self) -> Engine:
        """The engine of then.

        Raises:
            EngineError: when it cannot work here.
        """
        return choose_engine(self.settings)

    @cached_property
    def supplies(self) -> Supplies:
        """What the record asks for."""
        return Supplies(
            record=self.record,
            splits=self.splits,
            wheelhouse=self.wheelhouse,
            patches_today=self.farm.patches / self.record.recipe,
            work=self.settings.work,
            cache=self.settings.cache,
        )

    @property
    def place(self) -> Place:
        """Where it is built."""
        return Place(self.engine.stages, self.slug)

    @property
    def slug(self) -> str:
        """As part of a file name."""
        return f"{self.record.recipe}-{self.record.variant}-{self.record.target}"

    @cached_property
    def build(self) -> Build:
        """The build of then, whose key is the recorded one.

        Raises:
            FarmError: a group with all that the record tells and this machine does not have any more, as far
                as that can be known without fetching or compiling anything.
        """
        problems = Collector()
        with problems.collect():
            _ = self.supplies.stored
        with problems.collect():
            _ = self.supplies.upstream
        with problems.collect():
            patches = self.supplies.patches
        recorded = Recorded(self.record)
        with problems.collect():
            packages, programs = recorded.system_packages, recorded.programs
            toolchain = self.engine.toolchain(self.record.target, packages, programs)
        problems.check()
        build = recorded.build(toolchain, patches, self.settings)
        differing = compare(self.record.key_parts, build.key_parts)
        if differing:
            raise RecordError(
                f"{build.id} cannot be built again here as it was built then",
                where=record_place(self.record),
                why="\n".join(differing),
                hint="bring back what was there then: an older image or compiler, or the farm's own commit",
            )
        return build

    def run(
        self,
        *,
        hear: Callable[[Build, str], None],
        watch: Callable[[Build, int], None] = unwatched,
    ) -> tuple[Rebuilt, ...]:
        """Build it again, up to the wheels that went through the gate then.

        Args:
            hear: hears the lines of the build.
            watch: learns which process does its work.

        Raises:
            FarmError: whatever goes wrong; the wheelhouse is not touched.
        """
        build, clock, started = self.build, Clock(), datetime.now(UTC)
        listener = BuildListener(build=build, say=hear, watch=watch)
        fetcher = fetcher_of(self.settings)
        log = self.settings.work / "logs" / f"{self.slug}.log"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with self.place.hold(listener.on_line, self.engine.sweep) as root:
                maker = Maker(
                    build=build,
                    settings=self.settings,
                    engine=self.engine,
                    root=root,
                    jobs=self.settings.jobs,
                    log=log,
                    clock=clock,
                    fetcher=fetcher,
                    listener=listener,
                )
                # What an interrupted rebuild has made would be compared with what it was made from.
                maker.clear()
                with clock.step("fetch"):
                    self.supplies.fetch(build, fetcher)
                stage, wheels = maker.make(self.supplies.upstream, before=lambda: None)
                done = self._kept(stage, wheels, times=clock.times, started=started, log=log)
                maker.clear()
        except OSError as problem:
            raise BuildDirectoryError(
                f"{build.id}: a file or directory cannot be used",
                where=str(problem.filename or self.settings.work),
                why=problem.strerror or str(problem),
            ) from problem
        return done

    def _kept(
        self,
        stage: BuildDirectory,
        wheels: Mapping[Name, RepairedWheel],
        *,
        times: Mapping[str, float],
        started: datetime,
        log: Path,
    ) -> tuple[Rebuilt, ...]:
        """The new wheels and their records, kept for whoever wants to look."""
        directory, found = self.settings.work / "wheels" / self.slug, []
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for before, stored in zip((self.record, *self.splits), self.supplies.stored, strict=True):
            name = before.distribution
            made = _tagged(wheels[name], before.wheel.build_tag, directory)
            after = make_record(
                stage,
                name,
                made,
                (),
                times=times,
                started=started,
                log=log,
                root=self.settings.work,
            )
            (directory / f"{name}.json").write_text(after.to_json(), encoding="utf-8")
            found.append(Rebuilt(stored=stored, wheel=made.path, before=before, after=after))
        return tuple(found)


def _tagged(made: RepairedWheel, tag: str, directory: Path) -> RepairedWheel:
    """A wheel with the build tag that an older farm stored it with."""
    if not tag:
        return replace(made, path=Path(shutil.copy2(made.path, directory)))
    path = write_tagged(open_wheel(made.path), directory, tag).path
    return replace(made, path=path, sha256=sha256_of_file(path))


def _image(record: Record, settings: Settings) -> Mapping[str, str]:
    """The builder image of then, by its digest, where the name of today means another one."""
    then = record.key_parts.get("toolchain.image")
    container = container_engine(settings) if then else None
    if then is None or container is None:
        return {}
    place = f"{record.target.system}_{record.target.arch}"
    try:
        now = container.image_id(settings.images.get(place) or default_image(record.target), where=place)
    except EngineError:
        now = None
    return {} if now == then else {place: then}
