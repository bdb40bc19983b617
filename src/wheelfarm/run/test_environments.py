"""The wheels that the gate and the upstream suite test together, from the wheelhouse and from the index."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from wheelfarm.build.splits import split_as_build
from wheelfarm.errors import ChainError, NetworkError, SourceError
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import GATE, CleanEnvironment, is_for_one_python, supported_pythons
from wheelfarm.gate.gate import GateTests
from wheelfarm.gate.suite import run_suite, tests_name
from wheelfarm.model import PinnedWheel
from wheelfarm.plan.graph import find_refusal
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.decision import read_record
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.gate.suite import Selection, SuiteResult
    from wheelfarm.model import LockedRequirement, Name, Python, RepairedWheel, StoredWheel, Target
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe import Suite
    from wheelfarm.run.build_pipeline import BuildPipeline
    from wheelfarm.run.services import BuildServices
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class _AbsentError(Exception):
    """An environment cannot be made; the text is the reason."""


def pinned(stored: StoredWheel) -> PinnedWheel:
    """A stored wheel, hashed once more before it is used.

    Raises:
        ChainError: when it was changed.
    """
    if sha256_of_file(stored.path) != stored.sha256:
        raise ChainError(
            f"the stored wheel of {stored.name} {stored.version} was changed", where=str(stored.path)
        )
    return PinnedWheel(
        name=stored.name, version=stored.version, path=stored.path, sha256=stored.sha256, farm=True
    )


def stored_wheels(wheelhouse: Wheelhouse, build: Build) -> tuple[StoredWheel, ...]:
    """The stored wheels of a build, the main one first.

    Raises:
        ChainError: when one is missing.
    """
    wheels = []
    for name in build.distributions:
        stored = wheelhouse.find(build.id.variant, build.key_of(name))
        if stored is None:
            split = "" if name == build.id.name else f" that is split off as {name}"
            hint = f"nox -s build-{build.id.name}"
            raise ChainError(f"the wheelhouse has no wheel of {build.id}{split}", hint=hint)
        wheels.append(stored)
    return tuple(wheels)


@dataclass(frozen=True)
class GateTestPlanner:
    """Plans the environments in which the gate tests the wheels of a plan's builds."""

    services: BuildServices

    def stored(self, build_id: BuildId) -> StoredWheel:
        """The main wheel of a build of the plan."""
        return stored_wheels(self.services.wheelhouse, self.services.plan.build(build_id))[0]

    def companions(self, build: Build) -> tuple[PinnedWheel, ...]:
        """The wheels that a build's installed wheel needs: from the farm, and from the index by hash.

        Raises:
            FarmError: when one is missing or was changed.
        """
        fetcher, target, glibc = self.services.fetcher, build.id.target, build.toolchain.glibc
        locked = [fetcher.wheel(each, target, glibc) for each in build.test_requirements]
        return (*locked, *(pinned(self.stored(each)) for each in build.run))

    def plan_all(self, build: Build, wheels: Mapping[Name, RepairedWheel]) -> list[tuple[Build, GateTests]]:
        """The build and the environments that the gate tests each wheel with, the main one first."""
        main, *splits = (
            PinnedWheel(name=name, version=build.version, path=wheel.path, sha256=wheel.sha256, farm=True)
            for name, wheel in wheels.items()
        )
        companions = self.companions(build)
        compiled = next(iter(wheels.values())).compiled
        tests = [(build, replace(self.plan_tests(build, main, companions), compiled=compiled))]
        for split in splits:
            seen = split_as_build(build, split.name, main=open_wheel(main.path), wheel=open_wheel(split.path))
            # A split has one environment: with the build's Python, next to the main wheel.
            own = (CleanEnvironment.of(seen, split, (main, *companions)),)
            tests.append((seen, GateTests(own=own, compiled=compiled)))
        return tests

    def plan_tests(
        self, build: Build, wheel: PinnedWheel, companions: Iterable[PinnedWheel] | None = None
    ) -> GateTests:
        """The environments for a build's main wheel: its own, one for each further Python, and downstream.

        Raises:
            FarmError: when a stored wheel was changed, or a locked one cannot be fetched.
        """
        first = CleanEnvironment.of(
            build, wheel, tuple(self.companions(build) if companions is None else companions)
        )
        own, downstream, skipped = [first], list[CleanEnvironment](), list[Result]()
        for python in self._further_pythons(build, wheel):
            try:
                own.append(first.with_python(python, self._companions_with(python, build)))
            except _AbsentError as why:
                skipped.append(_not_tested(first.with_python(python, ()).name, why))
        replaced: set[Name] = set()
        for recipe, stored in self.downstream(build, skipped):
            if self._has_passed_with(stored, wheel):
                passed = "passed in its own gate, with this very wheel"
                skipped.append(_left_out(f"{stored.name} {stored.version}", passed))
                continue
            try:
                downstream.append(self._downstream_environment(build, recipe, pinned(stored), wheel))
            except _AbsentError as why:
                skipped.append(_not_tested(f"{stored.name} {stored.version}", why))
            if self._is_due(replace(build.id, name=recipe.name), stored):
                replaced.add(recipe.name)
        return GateTests(
            own=tuple(own),
            downstream=tuple(downstream),
            replaced=frozenset(replaced),
            skipped=tuple(skipped),
        )

    def _further_pythons(self, build: Build, wheel: PinnedWheel) -> list[Python]:
        """The other Pythons here that the wheel serves and the recipe stands for."""
        opened, target = open_wheel(wheel.path), build.id.target
        if is_for_one_python(opened):
            return []
        return [
            python
            for python in supported_pythons(opened, self.services.engine.pythons(target))
            if python != target.python
            and find_refusal(build.recipe, replace(target, python=python), build.id.variant) is None
        ]

    def _companions_with(self, python: Python, build: Build) -> tuple[PinnedWheel, ...]:
        """The wheels that the installed wheel needs with another Python than that of its build."""
        target = replace(build.id.target, python=python)
        needed = [(each.name, self.services.plan.build(each).version) for each in build.run]
        farm = self._stored(build.id.variant, needed, target)
        return (*self._locked(build, build.recipe.test_requirements(target), target), *farm)

    def downstream(self, build: Build, skipped: list[Result]) -> Iterator[tuple[LoadedRecipe, StoredWheel]]:
        """The recipes that need this one to run, each with its current wheel."""
        listed = build.resolved.test.downstream
        for recipe in self.services.recipes:
            if build.id.name not in self.services.recipes.run_closure(recipe.table.requires.run):
                continue
            if listed is not None and recipe.name not in listed:
                continue
            version = recipe.table.wheel_version
            stored = self.services.wheelhouse.current(build.id.variant, recipe.name, version, build.id.target)
            if stored:
                yield recipe, stored[-1]
            elif listed is not None:
                skipped.append(_not_tested(f"{recipe.name} {version}", "it is not in the wheelhouse"))

    def _downstream_environment(
        self, build: Build, recipe: LoadedRecipe, stored: PinnedWheel, wheel: PinnedWheel
    ) -> CleanEnvironment:
        """The stored wheel of a downstream recipe with the new wheel beside it."""
        variant, target = build.id.variant, build.id.target
        others = [
            (name, self.services.recipes.find(name).table.wheel_version)
            for name in self.services.recipes.run_closure(recipe.table.requires.run)
            if name != build.id.name
        ]
        farm = self._stored(variant, others, target)
        for each in (stored, *farm):
            _check_bounds(each, wheel)
        locked = self._locked(build, recipe.test_requirements(target), target)
        return CleanEnvironment(
            recipe=recipe,
            resolved=recipe.resolve(variant=variant, target=target),
            target=target,
            wheel=stored,
            run_with=(wheel, *locked, *farm),
            downstream=True,
        )

    def _has_passed_with(self, stored: StoredWheel, wheel: PinnedWheel) -> bool:
        """Whether a stored wheel was built on these bytes, and so went through its own gate with them."""
        record = read_record(self.services.wheelhouse, stored.variant, stored.key)
        return record is not None and any(
            each.name == wheel.name and each.sha256 == wheel.sha256 for each in record.upstream
        )

    def _is_due(self, build_id: BuildId, stored: StoredWheel) -> bool:
        """Whether this run builds a stored wheel again, or tests it in a gate of its own."""
        return any(
            each.id == build_id and (each.key != stored.key or each.has_stored_inputs)
            for each in self.services.plan.builds
        )

    def _stored(
        self, variant: str, needed: Iterable[tuple[Name, str]], target: Target
    ) -> tuple[PinnedWheel, ...]:
        found = []
        for name, version in needed:
            stored = self.services.wheelhouse.current(variant, name, version, target)
            if not stored:
                raise _AbsentError(f"the wheelhouse has no {name} {version} for {target}")
            found.append(pinned(stored[-1]))
        return tuple(found)

    def _locked(
        self, build: Build, requirements: Iterable[LockedRequirement], target: Target
    ) -> tuple[PinnedWheel, ...]:
        fetcher = self.services.fetcher
        try:
            return tuple(fetcher.wheel(each, target, build.toolchain.glibc) for each in requirements)
        except SourceError as problem:
            raise _AbsentError(problem.what) from problem
        except NetworkError as problem:
            if not fetcher.offline:
                raise
            raise _AbsentError(problem.what) from problem


def _check_bounds(wheel: PinnedWheel, new: PinnedWheel) -> None:
    """Whether an installer would put a stored wheel beside the new one."""
    for text in open_wheel(wheel.path).metadata.requires_dist:
        requirement = Requirement(text)
        if requirement.name == new.name and not requirement.specifier.contains(new.version, prereleases=True):
            raise _AbsentError(f"{wheel.name} {wheel.version} asks for {requirement}, not {new.version}")


def _left_out(environment: str, found: str) -> Result:
    return Result(check="smoke", expected="passed", found=found, environment=environment)


def _not_tested(environment: str, why: object) -> Result:
    """The result of an environment that cannot be made: the gate's results name it."""
    return _left_out(environment, f"not tried: {why}")


@dataclass(frozen=True)
class UpstreamSuite:
    """The upstream suite of one build's stored wheel."""

    pipeline: BuildPipeline

    @property
    def build(self) -> Build:
        return self.pipeline.build

    @property
    def log(self) -> Path:
        """The file of its output; its results as JUnit XML are next to it."""
        log = self.pipeline.log
        return log.with_name(f"{log.stem}-suite.log")

    @property
    def tests(self) -> StoredWheel | None:
        """The stored wheel with the upstream tests; None when there is none of this version and target."""
        build, wheelhouse = self.build, self.pipeline.services.wheelhouse
        name = tests_name(build.id.name)
        stored = wheelhouse.current(build.id.variant, name, build.version, build.id.target)
        return stored[-1] if stored else None

    def run(self, suite: Suite, selection: Selection) -> SuiteResult:
        """Run the suite.

        Raises:
            FarmError: when a wheel is missing, or the suite does not come to its end.
        """
        pipeline, build, engine = self.pipeline, self.build, self.pipeline.services.engine
        lock = BuildLock(engine.stages, f"{build.id.slug}-suite")
        with pipeline.locked(lock):
            try:
                return run_suite(
                    build,
                    suite,
                    engine,
                    lock.root / GATE / "suite",
                    wheels=self._wheels(),
                    selection=selection,
                    jobs=pipeline.jobs,
                    log=self.log,
                    listener=pipeline.listener,
                )
            finally:
                shutil.rmtree(lock.root, ignore_errors=True)

    def _wheels(self) -> list[PinnedWheel]:
        """The wheel, its tests, and what the two need: from the farm, and from the index by hash."""
        pipeline, build, tests = self.pipeline, self.build, self.tests
        if tests is None:
            raise ChainError(f"the wheelhouse has no {tests_name(build.id.name)} for {build.id}")
        fetcher, target, planner = pipeline.services.fetcher, build.id.target, pipeline.planner
        wheel = pinned(planner.stored(build.id))
        wheels = [wheel, pinned(tests), *planner.companions(build)]
        present = {each.name for each in wheels}
        locked = [each for each in build.recipe.suite_requirements(target) if each.name not in present]
        return [*wheels, *(fetcher.wheel(each, target, build.toolchain.glibc) for each in locked)]
