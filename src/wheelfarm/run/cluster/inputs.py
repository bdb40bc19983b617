"""Collects what a worker needs for a build, and puts it into a request."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import FarmError, SettingsError
from wheelfarm.model import Digest, GitCommit, Name, sha256_of_bytes
from wheelfarm.recipes.base import base_source
from wheelfarm.recipes.base_table import GitBase
from wheelfarm.run.cluster.request import Answer, BuildRequest, SentFile, SentWheel
from wheelfarm.run.test_environments import GateTestPlanner, stored_wheels
from wheelfarm.sources.fetcher import commit_question, wheel_question
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.model import LockedRequirement, StoredWheel, Target
    from wheelfarm.plan.build import Build, BuildId, Toolchain
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.services import BuildServices

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_IGNORED: Final = frozenset({"__pycache__", ".git"})


def _farm_files(settings: Settings) -> Iterator[Path]:
    """The files of the farm that a plan may read."""
    root = settings.root
    yield root / "pyproject.toml"
    for key in ("recipes", "patches"):
        directory: Path = getattr(settings, key)
        if not directory.resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"{directory} is no part of the farm, so workers do not get it",
                where=f"pyproject.toml: tool.wheelfarm.{key}",
                hint=f"move it below {root}",
            )
        for path in sorted(directory.rglob("*")):
            if path.is_file() and _IGNORED.isdisjoint(path.parts):
                yield path
    for variant in settings.variants.values():
        # The lock of a variant of the base has its directory: the worker has its own base.
        if variant.lock and (root / variant.lock).is_file() and not variant.lock.startswith("/"):
            yield root / variant.lock


def pack_farm(settings: Settings) -> bytes:
    """The files of a farm as a zip: the same bytes for the same files.

    Raises:
        SettingsError: when recipes or patches lie outside of the farm.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(set(_farm_files(settings))):
            name = path.relative_to(settings.root).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class PackedFarm:
    """The files of a farm as they were when its run began."""

    path: Path
    file: SentFile
    commits: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, farm: Farm) -> PackedFarm:
        """Pack the files of a farm into its directory of work."""
        data = pack_farm(farm.settings)
        path = farm.settings.work / "cluster" / "farm.zip"
        write_atomically(path, data, "the farm's files for workers")
        sent = SentFile(filename=path.name, sha256=sha256_of_bytes(data), size=len(data))
        return cls(path=path, file=sent, commits=tuple(map(asdict, farm.commits)))


@dataclass(frozen=True)
class BuildInputsForWorker:
    """Collects the files of one build."""

    services: BuildServices
    build: Build
    paths: dict[Digest, Path] = field(default_factory=dict)
    """Where each file is here."""
    sent: dict[Digest, SentFile] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    stored: dict[Digest, SentWheel] = field(default_factory=dict)
    """The wheels of the farm by their keys, in the order in which they are stored."""

    def collect(self, *, own_wheels: bool) -> None:
        """Collect the source, the locked requirements and the wheels of the farm.

        What is not in the cache yet is fetched.

        Args:
            own_wheels: whether the build's stored wheels are among them.

        Raises:
            FarmError: when an input cannot be fetched, or a stored wheel was changed.
        """
        self._add_sources()
        self._add_wheels()
        if own_wheels:
            self._store(stored_wheels(self.services.wheelhouse, self.build))

    def request(
        self, farm: PackedFarm, *, jobs: int, topic: str, store: str | None, own_wheels: bool
    ) -> BuildRequest:
        """Collect the files, and make the request for a worker.

        Args:
            farm: the farm's files.
            jobs: the processors of the build.
            topic: of the worker's messages.
            store: the url of the shared store.
            own_wheels: whether the build's stored wheels go along, for their gate.

        Raises:
            FarmError: see `collect`.
        """
        build, settings = self.build, self.services.settings
        self.paths[farm.file.sha256] = farm.path
        self.collect(own_wheels=own_wheels)
        return BuildRequest(
            name=build.id.name,
            variant=build.id.variant,
            target=str(build.id.target),
            key_parts=build.key_parts,
            names=tuple(dict.fromkeys((build.id.name, *(each.name for each in self._downstream)))),
            options=self._options(jobs),
            versions=settings.versions,
            commits=farm.commits,
            toolchains=self._other_toolchains(),
            jobs=jobs,
            farm=farm.file,
            inputs=tuple(self.sent.values()),
            answers=tuple(self.answers.values()),
            stored=tuple(self.stored.values()),
            store=store,
            topic=topic,
        )

    def _options(self, jobs: int) -> dict[str, str]:
        """The settings that a worker must share; the rest of the machine's is its own."""
        settings, build = self.services.settings, self.build
        targets = {each.target for each in self._closure()}
        pythons = sorted({each.python for each in targets})
        own = {each.platform_suffix for each in targets}
        # In the farm's order: a pure wheel is of the first platform.
        platforms = [each for each in settings.platforms if each in own] or sorted(own)
        return {
            "root": str(settings.root),
            "variant": build.id.variant,
            "pythons": ",".join(map(str, pythons)),
            "platform": ",".join(platforms),
            "engine": build.engine.value,
            "stages": str(settings.stages),
            "jobs": str(jobs),
            "time-limit": str(settings.time_limit),
            "release": str(settings.release).lower(),
            "trust-numpy-abi": str(settings.trust_numpy_abi).lower(),
            "compiler-cache": str(bool(settings.compiler_cache)).lower(),
        }

    def _other_toolchains(self) -> tuple[Toolchain, ...]:
        """The toolchains of other platforms that the plan of the worker needs, which it cannot look at."""
        own = self.build.id.target.platform_suffix
        others = {each.target for each in self._closure() if each.target.platform_suffix != own}
        found = {each.id.target: each.toolchain for each in self.services.plan.builds}
        return tuple(found[target] for target in sorted(others))

    @cached_property
    def _downstream(self) -> tuple[BuildId, ...]:
        """The builds of the plan whose wheels need that of this one to run."""
        recipes, name = self.services.recipes, self.build.id.name
        return tuple(
            each.id
            for each in self.services.plan.builds
            if name in recipes.run_closure(each.recipe.table.requires.run)
        )

    def _closure(self) -> set[BuildId]:
        """The build, those that its gate tries with its wheel, and all that they need, directly or not."""
        own = self.build.id.target
        found: set[BuildId] = set()
        waiting = [self.build.id, *(each for each in self._downstream if each.target == own)]
        while waiting:
            build_id = waiting.pop()
            if build_id not in found:
                found.add(build_id)
                build = self.services.plan.build(build_id)
                waiting += [*build.upstream, *build.run]
        return found

    def _add(self, path: Path, sha256: Digest, question: Mapping[str, Any] | None = None) -> None:
        self.paths[sha256] = path
        self.sent[sha256] = SentFile.of(path, sha256)
        if question is not None:
            self.answers[repr(question)] = Answer(question=question, sha256=sha256)

    def _add_sources(self) -> None:
        settings, fetcher = self.services.settings, self.services.fetcher
        sources = [(self.build.id.name, self.build.recipe.source)]
        if isinstance(settings.base, GitBase):
            sources.append(base_source(settings.base))
        for name, source in sources:
            fetched = fetcher.source(name, source)
            question = commit_question(name, source) if isinstance(source, GitCommit) else None
            self._add(fetched.path, fetched.sha256, question)

    def _add_wheels(self) -> None:
        """The wheels that the build and its gate install."""
        build, recipe, target = self.build, self.build.recipe, self.build.id.target
        planner, recipes = GateTestPlanner(self.services), self.services.recipes
        self._fetch((*build.requirements, *build.provider_requirements, *build.test_requirements), target)
        for build_id in (*build.upstream, *build.run):
            self._store(stored_wheels(self.services.wheelhouse, self.services.plan.build(build_id)))
        # What only some of the gate's environments need is left out there when it cannot be had.
        with suppress(FarmError):
            pythons = () if recipe.table.for_one_python else self.services.engine.pythons(target)
            for python in set(pythons) - {target.python}:
                other = replace(target, python=python)
                with suppress(FarmError):
                    self._fetch(recipe.test_requirements(other), other)
                self._store_current(build, [each.name for each in build.run], other)
        for downstream, stored in planner.downstream(build, []):
            with suppress(FarmError):
                self._fetch(downstream.test_requirements(target), target)
                self._store_current(build, recipes.run_closure(downstream.table.requires.run), target)
                self._store([stored])

    def _fetch(self, requirements: Iterable[LockedRequirement], target: Target) -> None:
        glibc = self.build.toolchain.glibc
        for each in requirements:
            wheel = self.services.fetcher.wheel(each, target, glibc)
            self._add(wheel.path, wheel.sha256, wheel_question(each, target, glibc))

    def _store_current(self, build: Build, names: Iterable[str], target: Target) -> None:
        """The current wheels of other recipes, where there are any."""
        for name in map(Name, names):
            if name != build.id.name:
                version = self.services.recipes.find(name).table.wheel_version
                found = self.services.wheelhouse.current(build.id.variant, name, version, target)
                self._store(found[-1:])

    def _store(self, wheels: Iterable[StoredWheel]) -> None:
        for wheel in wheels:
            if wheel.key not in self.stored:
                self._add(wheel.path, wheel.sha256)
                record = self.services.wheelhouse.record(wheel.variant, wheel.key)
                self.stored[wheel.key] = SentWheel(file=self.sent[wheel.sha256], key=wheel.key, record=record)
