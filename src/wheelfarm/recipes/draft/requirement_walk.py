"""Walks what a requirement needs to run: resolves it, and chooses the releases that get a recipe."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement
from packaging.version import InvalidVersion, Version

from wheelfarm.errors import (
    ArchiveError,
    FarmError,
    HashError,
    ProcessError,
    SourceError,
    WheelError,
)
from wheelfarm.model import Name, PublicWheel, Sdist, parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.model.wheel_names import is_any_platform
from wheelfarm.recipes.build_requirements import static_run_requires
from wheelfarm.recipes.draft.closure import ResolvedDistribution, reachable, resolve_closure
from wheelfarm.recipes.draft.release import choose_release
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.locks import marker_environment
from wheelfarm.sources.unpacking import unpack
from wheelfarm.system.machine import glibc, target_here
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from packaging.requirements import Requirement

    from wheelfarm.recipes.draft.closure import Closure
    from wheelfarm.recipes.draft.drafter import Drafter
    from wheelfarm.sources.project import Project

_ROUNDS: Final = 5
"""Resolutions: each may bring distributions whose release has to be chosen."""


@dataclass(kw_only=True)
class RequirementWalk:
    """One walk.

    Args:
        drafter: has the farm, the index and the policy for releases.
        requirement: where it begins.
    """

    drafter: Drafter
    requirement: Requirement
    chosen: dict[Name, str] = field(default_factory=dict)
    """The distributions that need a recipe, each with the version."""
    errors: dict[Name, FarmError] = field(default_factory=dict)
    """Why others cannot have one."""
    excluded: ProcessError | None = None
    """What uv says where the versions of the farm's recipes do not fit."""
    _closure: Closure = field(default_factory=dict)

    @property
    def name(self) -> Name:
        return parse_name(self.requirement.name)

    def find(self) -> Closure:
        """All that the requirement needs to run, up to what the farm has recipes for.

        Raises:
            FarmError: when the farm's recipe of the requirement cannot be used.
            SourceError: when the index does not have it.
            NetworkError: when the index cannot be reached.
        """
        if self.name in self.drafter.recipes:
            self.drafter.recipes.find(self.name)
        else:
            self._project(self.name)
            self._choose(self.name, _within(self.requirement))
        self._walk(self.requirement)
        return reachable(self._closure, [self.name], self.drafter.recipes.by_name)

    def wheels_of(self, name: Name, versions: Iterable[str]) -> tuple[str, ...]:
        """The wheels that the index has of some versions of a distribution; none if it does not know it."""
        try:
            project = self._project(name)
        except SourceError:
            return ()
        return tuple(wheel for version in versions for wheel in project.wheels(version))

    def find_fitting(self) -> str | None:
        """The version of the distribution that fits the recipes of the farm; None where uv finds none."""
        try:
            found = self._resolve(self.requirement, self._versions_of_farm())
        except ProcessError:
            return None
        return found[self.name].versions[0] if self.name in found else None

    def stated(self, name: Name, version: str, extras: Iterable[str] = ()) -> Iterator[Requirement]:
        """What a release requires to run on some target of the farm, also by some of its extras.

        Raises:
            NetworkError: when the index cannot be reached.
        """
        targets = targets_of(self.drafter.settings)
        for text in self._texts(name, version):
            try:
                each = parse_requirement(text)
            except InvalidRequirement:
                continue  # of metadata that an old tool wrote
            if each.marker is None or any(
                each.marker.evaluate({**marker_environment(target), "extra": extra})
                for target in targets
                for extra in ("", *extras)
            ):
                yield each

    def _project(self, name: Name) -> Project:
        return self.drafter.fetcher.project(name)

    def _versions_of_farm(self) -> dict[Name, str]:
        """The versions of the recipes, as far as the index has them too."""
        return {
            recipe.name: recipe.table.version
            for recipe in self.drafter.recipes
            if isinstance(recipe.source, Sdist | PublicWheel)
        }

    def _choose(self, name: Name, allowed: Callable[[Version], bool]) -> None:
        """Choose the newest suitable release among those that are allowed."""
        project = self._project(name)
        files = tuple(file for file in project.files if _is_allowed(file.version, allowed))
        exact = [each for each in self.requirement.specifier if each.operator == "=="]
        version = (
            exact[0].version if exact and name == self.name and not exact[0].version.endswith("*") else None
        )
        try:
            if not files:
                what = f"the index has no release of {name} that the requirements allow"
                raise SourceError(what, where=project.url)  # noqa: TRY301 - one of its reasons
            self.chosen[name] = choose_release(
                replace(project, files=files), self.drafter.policy, version
            ).version
        except SourceError as error:
            self.errors[name] = error

    def _walk(self, requirement: Requirement, required_by: tuple[Name, ...] = ()) -> None:
        """Add all that a requirement brings; where uv cannot resolve it, what it brings one by one."""
        name = parse_name(requirement.name)
        try:
            self._add(self._resolve_all(requirement))
        except ProcessError:
            self._add({name: ResolvedDistribution(name=name, versions=(), required_by=())})
            self._walk_parts(requirement)
        self._add({name: ResolvedDistribution(name=name, versions=(), required_by=required_by)})

    def _walk_parts(self, requirement: Requirement) -> None:
        name = parse_name(requirement.name)
        recipe = self.drafter.recipes.by_name.get(name)
        if name in self.drafter.recipes and name != self.name:
            return
        try:
            project = self._project(name)
        except SourceError as error:
            self.errors[name] = error
            return
        if recipe is None and name not in self.chosen and name not in self.errors:
            self._choose(name, _within(requirement))
        version = recipe.table.version if recipe else self.chosen.get(name)
        if version is None:
            return
        self._add({name: ResolvedDistribution(name=name, versions=(version,), required_by=())})
        wheels = project.wheels(version)
        if name != self.name and wheels and all(map(is_any_platform, wheels)):
            del self.chosen[name]
        for each in self.stated(name, version, requirement.extras):
            child = parse_name(each.name)
            if child in self._closure:
                self._add({child: ResolvedDistribution(name=child, versions=(), required_by=(name,))})
            else:
                self._walk(each, (name,))

    def _add(self, closure: Closure) -> None:
        for name, each in closure.items():
            known = self._closure.get(name, each)
            self._closure[name] = ResolvedDistribution(
                name=name,
                versions=tuple(sorted({*known.versions, *each.versions}, key=Version)),
                required_by=tuple(sorted({*known.required_by, *each.required_by})),
            )

    def _resolve(self, requirement: Requirement, constraints: dict[Name, str]) -> Closure:
        return resolve_closure([_plain(requirement)], constraints, self.drafter.settings, self.drafter.env)

    def _resolve_all(self, requirement: Requirement) -> Closure:
        """Resolve a requirement until each release that gets a recipe is chosen, and is the resolved one."""
        closure = self._resolve_with_farm(requirement)
        for _ in range(_ROUNDS):
            before = dict(self.chosen)
            for name, each in self._without_recipe(closure, requirement):
                self._choose(name, _at_most(each.versions[0]))
            new = {name: version for name, version in self.chosen.items() if name not in before}
            if all(closure[name].versions == (version,) for name, version in new.items()):
                break
            try:
                closure = self._resolve_with_farm(requirement)
            except ProcessError:
                self._refuse_unsuitable(new, closure)
        return closure

    def _without_recipe(
        self, closure: Closure, requirement: Requirement
    ) -> Iterator[tuple[Name, ResolvedDistribution]]:
        """The compiled distributions that have no recipe, and whose release is not chosen."""
        roots, farm = [parse_name(requirement.name)], self.drafter.recipes
        for name, each in reachable(closure, roots, farm.by_name).items():
            if name in farm or name in self.chosen or name in self.errors:
                continue
            if not all(map(is_any_platform, self.wheels_of(name, each.versions))):
                yield name, each

    def _refuse_unsuitable(self, new: dict[Name, str], closure: Closure) -> None:
        """The releases that were chosen last do not fit the requirements, which need newer ones."""
        for name, version in new.items():
            needed = closure[name].versions
            if needed != (version,):
                del self.chosen[name]
                self.errors[name] = SourceError(
                    f"the index has no suitable release of {name} that the requirements allow",
                    where=self._project(name).url,
                    why=f"{version} is the newest suitable one, and they need {needed[0]}",
                    hint=f"inv recipe.new {name}=={needed[0]} first, which takes it whatever its age",
                )

    def _resolve_with_farm(self, requirement: Requirement) -> Closure:
        """Resolve with the versions of the farm's recipes; without them where they do not fit."""
        farm = self._versions_of_farm()
        if self.excluded is None:
            try:
                return self._resolve(requirement, {**self.chosen, **farm})
            except ProcessError as error:
                without = self._resolve(requirement, self.chosen)
                self.excluded = error
                return without
        return self._resolve(requirement, self.chosen)

    def _texts(self, name: Name, version: str) -> list[str]:
        """Requires-Dist of the index's wheel, or what the source states."""
        drafter = self.drafter
        target = target_here(drafter.settings.pythons[0])
        try:
            wheel = drafter.fetcher.published(name, version, target, glibc())
            return list(open_wheel(wheel.path).metadata.requires_dist)
        except (SourceError, HashError, ArchiveError, WheelError):
            release = choose_release(self._project(name), drafter.policy, version)
        source = drafter.fetcher.source(name, Sdist(version=version, sha256=release.sha256))
        with tempfile.TemporaryDirectory(prefix="wheelfarm-new-") as scratch:
            tree = unpack(source, Path(scratch) / "source", drafter.settings.limits.values())
            return static_run_requires(tree) or []


def _plain(requirement: Requirement) -> str:
    """A requirement without its marker: somebody has said that it counts."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _within(requirement: Requirement) -> Callable[[Version], bool]:
    return lambda version: requirement.specifier.contains(version, prereleases=True)


def _at_most(limit: str) -> Callable[[Version], bool]:
    return lambda version: version <= Version(limit)


def _is_allowed(version: str | None, allowed: Callable[[Version], bool]) -> bool:
    try:
        return allowed(Version(version or ""))
    except InvalidVersion:
        return False
