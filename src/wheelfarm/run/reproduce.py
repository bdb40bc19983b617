"""Reproduce stored wheels: build them again from their records, outside the wheelhouse."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.containers import container_engine, default_image
from wheelfarm.errors import ChainError, Collector, EngineError, PatchError, RecordError, SourceError
from wheelfarm.model import PinnedWheel, sha256_of_bytes
from wheelfarm.plan.graph import Plan
from wheelfarm.provenance.record_comparison import compare_keys
from wheelfarm.recipes.recipe_set import RecipeSet
from wheelfarm.run.build_pipeline import BuildPipeline
from wheelfarm.run.recorded_inputs import record_path, recorded_build, recorded_inputs
from wheelfarm.run.recording import make_record
from wheelfarm.run.services import BuildServices, choose_engine
from wheelfarm.system.files import sha256_of_file, write_atomically
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Engine
    from wheelfarm.model import Digest, Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.services import RunListener
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

WORK: Final = "reproduce"
"""The default work directory, in the farm's own."""


@dataclass(frozen=True, kw_only=True)
class ReproducedWheel:
    """A stored wheel and the one built again, with a record of each."""

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
class Reproduction:
    """One build whose stored wheels are made again, without today's recipes and without build caches."""

    record: Record
    """That of the main wheel."""
    splits: tuple[Record, ...]
    """Those of the wheels that were split off, if any."""
    settings: Settings
    """With a work directory of its own, and the engine and paths of the record."""
    wheelhouse: Wheelhouse

    @classmethod
    def of(
        cls,
        record: Record,
        *splits: Record,
        settings: Settings,
        wheelhouse: Wheelhouse,
        work: Path | None = None,
    ) -> Reproduction:
        """The reproduction of a recorded build.

        Args:
            record: of a stored wheel.
            splits: those of the wheels that were split off it.
            settings: the farm's.
            wheelhouse: where that wheel, and those that it was built on, are stored.
            work: where it is built; by default in the farm's own directory.
        """
        toolchain = record.inputs.toolchain if record.inputs else {}
        stages = toolchain.get("stages")
        own = settings.replace(
            work=(work or settings.work / WORK).absolute(),
            # The path of a build directory on this machine ends up in wheels.
            stages=Path(stages) if stages else settings.stages,
            engine=record.engine,
            pythons=(record.target.python,),
            images={**settings.images, **_image(record, toolchain.get("image"), settings)},
            release=True,
            compiler_cache=False,
        )
        return cls(record=record, splits=splits, settings=own, wheelhouse=wheelhouse)

    @cached_property
    def engine(self) -> Engine:
        """The recorded engine.

        Raises:
            EngineError: when it cannot work here.
        """
        return choose_engine(self.settings)

    @property
    def root(self) -> Path:
        """The build directory."""
        return self.engine.stages / self.build.id.slug

    @property
    def _where(self) -> str:
        return record_path(self.record)

    @cached_property
    def _stored(self) -> tuple[Path, ...]:
        """The wheels that the records describe, the main one first."""
        problems, found = Collector(), []
        for record in (self.record, *self.splits):
            with problems.collect():
                what = f"the wheel of {record.distribution} itself"
                found.append(self._find_wheel(record.wheel.filename, record.wheel.sha256, what))
        problems.check()
        return tuple(found)

    @cached_property
    def _upstream(self) -> tuple[PinnedWheel, ...]:
        """The wheels of the farm that the build used."""
        problems, found = Collector(), []
        for wheel in self.record.upstream:
            with problems.collect():
                what = f"the wheel of {wheel.name} that {self.record.recipe} was built on"
                path = self._find_wheel(wheel.filename, wheel.sha256, what)
                version = wheel.filename.split("-")[1]
                found.append(
                    PinnedWheel(name=wheel.name, version=version, path=path, sha256=wheel.sha256, farm=True)
                )
        problems.check()
        return tuple(found)

    def _find_wheel(self, filename: str, sha256: Digest, what: str) -> Path:
        path = self.wheelhouse.find_content(self.record.variant, filename, sha256)
        if path is None:
            raise ChainError(
                f"{what} is not in the wheelhouse any more",
                where=self._where,
                why=f"{filename} with sha256 {sha256} is missing or damaged",
                hint=f"put it back at wheelhouse/{self.record.variant}/wheels/{sha256[:16]}/",
            )
        return path

    @cached_property
    def _patches(self) -> tuple[Path, ...]:
        """Files with the recorded patches, in their order."""
        found = []
        for patch in self.record.patches:
            content = (patch.text or "").encode("utf-8", "surrogateescape")
            if sha256_of_bytes(content) != patch.sha256:
                raise PatchError(
                    f"the record does not hold {patch.file} as it was applied to {self.record.recipe}",
                    where=self._where,
                    why=f"the record was changed; the sha256 of the patch was {patch.sha256}",
                    hint="restore the record from a backup",
                )
            path = self.settings.work / "patches" / self.record.key / patch.file
            write_atomically(path, content, "the directory for reproducing")
            found.append(path)
        return tuple(found)

    @cached_property
    def build(self) -> Build:
        """The recorded build; its key is the recorded one.

        Raises:
            FarmError: a group with all that this machine lacks, as far as that can be known without
                fetching or compiling anything.
        """
        inputs, problems = recorded_inputs(self.record), Collector()
        with problems.collect():
            _ = self._stored
        with problems.collect():
            _ = self._upstream
        with problems.collect():
            _ = self._patches
        with problems.collect():
            packages = inputs.system_packages
            toolchain = self.engine.toolchain(self.record.target, packages, tuple(inputs.programs))
        problems.check()
        build = recorded_build(self.record, toolchain, self._patches, self.settings)
        differing = compare_keys(self.record.key_parts, build.key_parts)
        if differing:
            raise RecordError(
                f"{build.id} has other inputs on this machine than its record says",
                where=self._where,
                why="\n".join(differing),
                hint="restore what the record says: the image, the compiler, or the farm's own commit",
            )
        return build

    def run(self, listener: RunListener) -> tuple[ReproducedWheel, ...]:
        """Build again, with all steps before the gate; the wheelhouse is not written to.

        Raises:
            FarmError: whatever goes wrong.
        """
        started = datetime.now(UTC)
        services = BuildServices(
            settings=self.settings,
            plan=Plan((self.build,)),
            recipes=RecipeSet({}),
            engine=self.engine,
            wheelhouse=self.wheelhouse,
            listener=listener,
        )
        pipeline = BuildPipeline(services=services, build=self.build, jobs=self.settings.jobs)
        with pipeline.locked(pipeline.lock):
            # What an interrupted run has left was never compared.
            pipeline.clear()
            with pipeline.timings.step("fetch"):
                self._fetch(services.fetcher)
            directory, wheels = pipeline.make_wheels(self._upstream)
            reproduced = self._copy(pipeline, directory, wheels, started)
            pipeline.clear()
        return reproduced

    def _fetch(self, fetcher: Fetcher) -> None:
        """Fetch the source and the locked wheels into the cache, all of the recorded bytes."""
        build, problems = self.build, Collector()
        with problems.collect():
            source, recorded = fetcher.source(build.id.name, build.recipe.source), self.record.source
            if source.sha256 != recorded.sha256:
                raise SourceError(
                    f"the source of {build.id.name} has other bytes than the record says",
                    where=source.path.name,
                    why=f"its sha256 is {source.sha256}, the record says {recorded.sha256}",
                )
        digests = {entry.name: entry.sha256 for entry in self.record.build_requirements}
        for requirement in (*build.requirements, *build.provider_requirements):
            with problems.collect():
                wheel = fetcher.wheel(requirement, build.id.target, build.toolchain.glibc)
                expected = digests.get(wheel.name) or wheel.sha256
                if wheel.sha256 != expected:
                    raise SourceError(
                        f"the index now serves a different wheel for {wheel.name} {wheel.version}",
                        where=wheel.path.name,
                        why=f"its sha256 is {wheel.sha256}, the record says {expected}",
                    )
        problems.check()

    def _copy(
        self,
        pipeline: BuildPipeline,
        built: BuildDirectory,
        wheels: Mapping[Name, RepairedWheel],
        started: datetime,
    ) -> tuple[ReproducedWheel, ...]:
        """Copy the new wheels and their records out of the build directory."""
        directory, found = self.settings.work / "wheels" / self.build.id.slug, []
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for before, stored in zip((self.record, *self.splits), self._stored, strict=True):
            name = before.distribution
            made = _tagged(wheels[name], before.wheel.build_tag, directory)
            after = make_record(
                built,
                name,
                made,
                (),
                times=pipeline.timings.seconds,
                started=started,
                log=pipeline.log,
                root=self.settings.work,
                isolation=pipeline.services.engine.isolation(self.build),
            )
            (directory / f"{name}.json").write_text(after.to_json(), encoding="utf-8")
            found.append(ReproducedWheel(stored=stored, wheel=made.path, before=before, after=after))
        return tuple(found)


def _tagged(made: RepairedWheel, tag: str, directory: Path) -> RepairedWheel:
    """A copy of a wheel, with the build tag that an older farm stored it with."""
    if not tag:
        return replace(made, path=Path(shutil.copy2(made.path, directory)))
    path = write_tagged(open_wheel(made.path), directory, tag).path
    return replace(made, path=path, sha256=sha256_of_file(path))


def _image(record: Record, recorded: str | None, settings: Settings) -> Mapping[str, str]:
    """The recorded builder image, by its digest, where its name means another one now."""
    container = container_engine(settings) if recorded else None
    if recorded is None or container is None:
        return {}
    platform = f"{record.target.system}_{record.target.arch}"
    name = settings.images.get(platform) or default_image(record.target)
    try:
        now = container.image_id(name, where=platform)
    except EngineError:
        now = None
    return {} if now == recorded else {platform: recorded}
