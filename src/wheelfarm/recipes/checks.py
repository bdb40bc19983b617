"""Checks one recipe, and the farm's defaults, against the farm: variants, targets, files, patches."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet

from wheelfarm.errors import PatchError, RecipeError, SettingsError
from wheelfarm.model import PLATFORM_SUFFIXES
from wheelfarm.recipes.layers import FARM
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.errors import Collector, FarmError
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings

_MINORS: Final = range(8, 30)
"""Feature versions of Python 3 that a glob may match, including future ones."""


def check_recipe(recipe: LoadedRecipe, settings: Settings, problems: Collector) -> None:
    """Collect everything that is wrong with a recipe that parses."""
    table, where = recipe.table, recipe.where
    if "numpy" in table.build_requires.loosen:
        problems.add(
            RecipeError(
                "numpy's upper bound may not be loosened",
                where=f"{where}: build-requires.loosen",
                why="the bound is an ABI statement",
                hint="build a newer version of the package, or replace the whole requirement",
            )
        )
    if table.test.smoke and not (recipe.directory / table.test.smoke).is_file():
        problems.add(RecipeError(f"there is no file {table.test.smoke!r}", where=f"{where}: test.smoke"))
    suite = table.test.suite
    named = [("variants", name) for name in table.variants]
    named += [("patches", name) for patch in table.patches for name in patch.variants or ()]
    named += [
        ("test.suite.known-failures", name)
        for known in (suite.known_failures if suite else ())
        for name in known.variants or ()
    ]
    _check_variants(named, where, settings, problems, RecipeError)
    globs = [("targets", glob) for glob in table.targets] + [("skip", skip.targets) for skip in table.skip]
    _check_globs(globs, table.python, where, problems, RecipeError)
    _check_suite(recipe, problems)
    _check_patches(recipe, problems)


def check_defaults(settings: Settings, problems: Collector) -> None:
    """Collect what is wrong with the farm's own layer."""
    defaults = settings.defaults
    _check_variants(
        (("variants", name) for name in defaults.variants), FARM, settings, problems, SettingsError
    )
    _check_globs([("targets", glob) for glob in defaults.targets], ">=3.8", FARM, problems, SettingsError)


def _check_variants(
    named: Iterable[tuple[str, str]],
    where: str,
    settings: Settings,
    problems: Collector,
    error: type[FarmError],
) -> None:
    for key, name in named:
        if name not in settings.variants:
            hint = suggestion(name, settings.variants)
            problems.add(error(f"unknown variant {name!r}", where=f"{where}: {key}.{name}", hint=hint))


def _check_globs(
    globs: Iterable[tuple[str, str]],
    pythons: str,
    where: str,
    problems: Collector,
    error: type[FarmError],
) -> None:
    """Each glob can match a build identifier of a supported Python."""
    supported = SpecifierSet(pythons)
    identifiers = [
        f"cp3{minor}{threads}-{suffix}"
        for minor in _MINORS
        if supported.contains(f"3.{minor}")
        for threads in ("", "t")
        for suffix in PLATFORM_SUFFIXES
    ]
    for key, glob in globs:
        if not any(fnmatchcase(identifier, glob) for identifier in identifiers):
            problems.add(
                error(
                    f"{glob!r} matches no target",
                    where=f"{where}: {key}",
                    why=f"it is for Python {supported}, and an identifier looks like {identifiers[0]}"
                    if identifiers
                    else f"no known Python is {supported}",
                    hint=suggestion(glob, PLATFORM_SUFFIXES),
                )
            )


def _check_suite(recipe: LoadedRecipe, problems: Collector) -> None:
    suite = recipe.table.test.suite
    if suite is None:
        return
    where = f"{recipe.where}: test.suite"
    if not suite.args:
        hint = f'args = ["--pyargs", "{recipe.name.replace("-", "_")}"]'
        problems.add(RecipeError("the suite has no arguments for pytest", where=where, hint=hint))
    tests = [known.test for known in suite.known_failures]
    for test in sorted({test for test in tests if tests.count(test) > 1}):
        problems.add(RecipeError(f"{test} is listed twice", where=f"{where}.known-failures"))


def _check_patches(recipe: LoadedRecipe, problems: Collector) -> None:
    """Each listed patch exists and can match; each patch in the directory is listed."""
    where, version = f"{recipe.where}: patches", recipe.table.version
    listed = [patch.file for patch in recipe.table.patches]
    for patch in recipe.table.patches:
        if not (recipe.patches / patch.file).is_file():
            hint = f"it belongs into patches/{recipe.name}/"
            problems.add(PatchError(f"there is no patch {patch.file!r}", where=where, hint=hint))
        if patch.versions and not SpecifierSet(patch.versions).contains(version, prereleases=True):
            problems.add(
                PatchError(
                    f"{patch.file} matches nothing",
                    where=where,
                    why=f"it is for {patch.versions}, and the recipe is for {version}",
                    hint="remove it, or widen its range once you know that it is still needed",
                )
            )
    present = {path.relative_to(recipe.patches).as_posix() for path in recipe.patches.rglob("*.patch")}
    for file in sorted(present - set(listed)):
        hint = f'list it: [[patches]] file = "{file}"; or delete it'
        problems.add(PatchError(f"{file} is not listed", where=where, hint=hint))
    for file in sorted({file for file in listed if listed.count(file) > 1}):
        problems.add(PatchError(f"{file} is listed twice", where=where))
