"""The clean rooms of a gate: which there can be, told from wheels, recipes, the engine and the wheelhouse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from wheelfarm.build.splits import split_as_build
from wheelfarm.errors import ChainError, NetworkError, RecordError, SourceError, WheelhouseError
from wheelfarm.gate.check import Result
from wheelfarm.gate.clean_environment import CleanEnvironment, is_for_one_python, supported_pythons
from wheelfarm.gate.gate import GateTests
from wheelfarm.model import PinnedWheel
from wheelfarm.plan.graph import serves
from wheelfarm.provenance.record import Record
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wheelfarm.build.engine import Engine
    from wheelfarm.model import LockedRequirement, Name, Python, StoredWheel, Target
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.sources.fetcher import Fetcher
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class _AbsentError(Exception):
    """A room cannot be furnished; says why."""


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


@dataclass(frozen=True, kw_only=True)
class GateTestPlanner:
    """Furnishes the rooms for the builds of a plan."""

    plan: Plan
    recipes: RecipeSet
    engine: Engine
    wheelhouse: Wheelhouse
    fetcher: Fetcher

    def plan_tests(self, build: Build, wheel: PinnedWheel, run_with: Iterable[PinnedWheel]) -> GateTests:
        """The rooms for a wheel.

        Args:
            build: whose wheel it is.
            wheel: the wheel.
            run_with: the wheels that it needs with the Python of its build.

        Raises:
            FarmError: when a stored wheel was changed, or what a room needs cannot be fetched.
        """
        first = CleanEnvironment.of(build, wheel, tuple(run_with))
        own, downstream, skipped = [first], list[CleanEnvironment](), list[Result]()
        for python in self._further_pythons(build, wheel):
            try:
                own.append(first.with_python(python, self._companions(build, python)))
            except _AbsentError as why:
                skipped.append(_not_tried(first.with_python(python, ()).name, why))
        replaced: set[Name] = set()
        for recipe, stored in self._downstream(build, skipped):
            if self._has_passed_with(stored, wheel):
                skipped.append(
                    Result(
                        check="smoke",
                        expected="passed",
                        found="passed in its own gate, with this very wheel",
                        environment=f"{stored.name} {stored.version}",
                    )
                )
                continue
            try:
                downstream.append(self._downstream_room(build, recipe, pinned(stored), wheel))
            except _AbsentError as why:
                skipped.append(_not_tried(f"{stored.name} {stored.version}", why))
            if self._is_built_again(replace(build.id, name=recipe.name), stored):
                replaced.add(recipe.name)
        return GateTests(
            own=tuple(own),
            downstream=tuple(downstream),
            replaced=frozenset(replaced),
            skipped=tuple(skipped),
        )

    def plan_all(
        self, build: Build, main: PinnedWheel, splits: Iterable[PinnedWheel], run_with: Iterable[PinnedWheel]
    ) -> list[tuple[Build, GateTests]]:
        """What the gate is asked of each wheel of a build, the main one first, with its rooms."""
        beside = tuple(run_with)
        first = (build, self.plan_tests(build, main, beside))
        return [first, *(self._of_split(build, split, main, beside) for split in splits)]

    def _of_split(
        self, build: Build, split: PinnedWheel, main: PinnedWheel, run_with: Iterable[PinnedWheel]
    ) -> tuple[Build, GateTests]:
        """What the gate asks of a split, and its one room: with the build's Python, beside the main wheel."""
        opened = {"main": open_wheel(main.path), "wheel": open_wheel(split.path)}
        asked = split_as_build(build, split.name, **opened)
        return asked, GateTests(own=(CleanEnvironment.of(asked, split, (main, *run_with)),))

    def _further_pythons(self, build: Build, wheel: PinnedWheel) -> list[Python]:
        """The other Pythons here that the wheel serves and the recipe stands for."""
        opened, target = open_wheel(wheel.path), build.id.target
        if is_for_one_python(opened):
            return []
        return [
            python
            for python in supported_pythons(opened, self.engine.pythons(target))
            if python != target.python
            and serves(build.recipe, replace(target, python=python), build.variant.provider) is None
        ]

    def _companions(self, build: Build, python: Python) -> tuple[PinnedWheel, ...]:
        """The wheels that the installed wheel needs with another Python than that of its build."""
        target = replace(build.id.target, python=python)
        needed = [(each.name, self.plan.build(each).version) for each in build.run]
        farm = self._stored(build.id.variant, needed, target)
        return (*self._locked(build, build.recipe.test_requirements(target), target), *farm)

    def _downstream(self, build: Build, skipped: list[Result]) -> Iterator[tuple[LoadedRecipe, StoredWheel]]:
        """The recipes that need this one to run, each with its current wheel."""
        listed = build.resolved.test.downstream
        for recipe in self.recipes:
            if build.id.name not in self.recipes.run_closure(recipe.table.requires.run):
                continue
            if listed is not None and recipe.name not in listed:
                continue
            version = recipe.table.version
            stored = self.wheelhouse.current(build.id.variant, recipe.name, version, build.id.target)
            if stored:
                yield recipe, stored[-1]
            elif listed is not None:
                skipped.append(_not_tried(f"{recipe.name} {version}", "it is not in the wheelhouse"))

    def _downstream_room(
        self, build: Build, recipe: LoadedRecipe, stored: PinnedWheel, wheel: PinnedWheel
    ) -> CleanEnvironment:
        """The stored wheel of a downstream recipe with the new wheel beside it."""
        variant, target = build.id.variant, build.id.target
        others = [
            (name, self.recipes.find(name).table.version)
            for name in self.recipes.run_closure(recipe.table.requires.run)
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
        try:
            record = Record.from_json(self.wheelhouse.record(stored.variant, stored.key), str(stored.path))
        except (RecordError, WheelhouseError):
            return False
        return any(each.name == wheel.name and each.sha256 == wheel.sha256 for each in record.upstream)

    def _is_built_again(self, build_id: BuildId, stored: StoredWheel) -> bool:
        return any(each.id == build_id and each.key != stored.key for each in self.plan.builds)

    def _stored(
        self, variant: str, needed: Iterable[tuple[Name, str]], target: Target
    ) -> tuple[PinnedWheel, ...]:
        found = []
        for name, version in needed:
            stored = self.wheelhouse.current(variant, name, version, target)
            if not stored:
                raise _AbsentError(f"the wheelhouse has no {name} {version} for {target}")
            found.append(pinned(stored[-1]))
        return tuple(found)

    def _locked(
        self, build: Build, requirements: Iterable[LockedRequirement], target: Target
    ) -> tuple[PinnedWheel, ...]:
        try:
            return tuple(self.fetcher.wheel(each, target, build.toolchain.glibc) for each in requirements)
        except SourceError as problem:
            raise _AbsentError(problem.what) from problem
        except NetworkError as problem:
            if not self.fetcher.offline:
                raise
            raise _AbsentError(problem.what) from problem


def _check_bounds(wheel: PinnedWheel, new: PinnedWheel) -> None:
    """Whether an installer would put a stored wheel beside the new one."""
    for text in open_wheel(wheel.path).metadata.requires_dist:
        requirement = Requirement(text)
        if requirement.name == new.name and not requirement.specifier.contains(new.version, prereleases=True):
            raise _AbsentError(f"{wheel.name} {wheel.version} asks for {requirement}, not {new.version}")


def _not_tried(room: str, why: object) -> Result:
    """A room that there is not is told among the results, never left unsaid."""
    return Result(check="smoke", expected="passed", found=f"not tried: {why}", environment=room)
