"""Collects the files that another machine needs for a build: a worker, or one without a network."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the hints at run time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

from wheelfarm.errors import FarmError
from wheelfarm.model import Digest, GitCommit, Name
from wheelfarm.recipes.base import base_source
from wheelfarm.recipes.base_table import GitBase
from wheelfarm.run.test_environments import GateTestPlanner, stored_wheels
from wheelfarm.sources.fetcher import commit_question, wheel_question
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wheelfarm.model import LockedRequirement, StoredWheel, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.run.services import BuildServices


class Value(BaseModel):
    """A part of what is sent: nothing changes it, and it has no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SentFile(Value):
    """A file that goes from one machine to another, by its digest."""

    filename: str
    sha256: Digest
    size: int

    @classmethod
    def of(cls, path: Path, sha256: Digest | None = None) -> Self:
        """A file on the disk, hashed where its digest is not known."""
        return cls(filename=path.name, sha256=sha256 or sha256_of_file(path), size=path.stat().st_size)

    @property
    def store_path(self) -> str:
        """Its path in a shared store, with slashes."""
        return f"sha256/{self.sha256[:2]}/{self.sha256}"


class SentWheel(Value):
    """A wheel with its build record."""

    file: SentFile
    key: Digest
    record: str


class Answer(Value):
    """What a farm's fetcher has found for a question (`Cache.remember`), which another machine takes over."""

    question: Mapping[str, Any]
    sha256: Digest


@dataclass(frozen=True)
class BuildFiles:
    """Collects the files of one build."""

    services: BuildServices
    build: Build
    paths: dict[Digest, Path] = field(default_factory=dict)
    """The path of each file on this machine."""
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
