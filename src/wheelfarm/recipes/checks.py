"""What a recipe says, checked against the farm that it stands in."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet

from wheelfarm.errors import Collector, PatchError, RecipeError
from wheelfarm.model import PLATFORM_SUFFIXES
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Target
    from wheelfarm.recipes.recipe import Expect
    from wheelfarm.recipes.recipe_set import LoadedRecipe, RecipeSet
    from wheelfarm.recipes.settings import Settings


_BINARY: Final = ("interface", "stripped", "needs", "vendors", "abi3", "cpu_baseline", "cpu_dispatch")
"""What only a wheel with compiled code has."""


def _of_compiled(expect: Expect, compilers: Sequence[str]) -> Iterator[tuple[str, str]]:
    if expect.extensions and not compilers:
        yield "extensions", "it expects extension modules, and compilers = [] says that nothing is compiled"
    if expect.extensions is False and expect.blas not in {None, "none"}:
        yield "blas", f"it expects {expect.blas}, and no extension modules that could use it"
    for field in _BINARY if expect.extensions is False else ():
        # An empty list and `false` are met by a wheel without any.
        if getattr(expect, field):
            yield field.replace("_", "-"), "it is said of compiled code, and extensions = false expects none"


def _of_blas(expect: Expect) -> Iterator[tuple[str, str]]:
    if expect.blas == "none" and expect.interface is not None:
        yield "interface", f"it expects {expect.interface}, the interface of a BLAS, and blas = none"


def _of_files(expect: Expect) -> Iterator[tuple[str, str]]:
    if expect.files is None:
        return
    for present in expect.files.present:
        for absent in expect.files.absent:
            # What is present has some name that the pattern stands for; it is one of its own matches.
            if present == absent or fnmatchcase(present, absent):
                yield "files", f"{present!r} must be present, and {absent!r} absent"


def _of_platform(expect: Expect, target: Target) -> Iterator[tuple[str, str]]:
    tag = expect.platform_tag
    if tag in {None, "any"}:
        return
    # win32 is the one tag without an underscore.
    if str(tag).partition("_")[0].removesuffix("32") != target.system:
        yield "platform-tag", f"it expects {tag}, and the target is {target.identifier}"


def check_possible(
    expect: Expect, *, compilers: Sequence[str], target: Target, where: str, origins: Mapping[str, str]
) -> None:
    """Refuse expectations that contradict each other, the target or what is compiled.

    Args:
        expect: of the recipe, for one variant and target.
        compilers: the languages that the recipe compiles.
        target: what is built for.
        where: the recipe's file.
        origins: key path → the layers that gave the value.

    Raises:
        RecipeError: a group with each that is impossible.
    """
    problems = Collector()
    found = (
        *_of_compiled(expect, compilers),
        *_of_blas(expect),
        *_of_files(expect),
        *_of_platform(expect, target),
    )
    for key, why in found:
        path = f"expect.{key}"
        said = next((origin for name, origin in origins.items() if name.startswith(path)), where)
        problems.add(
            RecipeError(
                "no wheel can be what is expected here",
                where=f"{said}: {path}",
                why=why,
                hint="take one of the two back, or say it in the layer of the platform or variant it is for",
            )
        )
    problems.check()


_MINORS: Final = range(8, 30)
"""Feature versions of Python 3 that a glob may mean, those to come among them."""


def check(recipe: LoadedRecipe, settings: Settings, problems: Collector) -> None:
    """Gather everything that is wrong with a recipe that parses."""
    _check_bounds(recipe, problems)
    _check_words(recipe, settings, problems)
    _check_globs(recipe, problems)
    _check_files(recipe, problems)
    _check_suite(recipe, problems)
    _check_patches(recipe, problems)


def _check_bounds(recipe: LoadedRecipe, problems: Collector) -> None:
    if "numpy" in recipe.table.build_requires.loosen:
        problems.add(
            RecipeError(
                "numpy's upper bound may not be loosened",
                where=f"{recipe.where}: build-requires.loosen",
                why="the bound says against which ABI the wheel was made to work",
                hint="take a newer version of the package, or replace the requirement knowingly",
            )
        )


def _check_words(recipe: LoadedRecipe, settings: Settings, problems: Collector) -> None:
    named = [("variants", name) for name in recipe.table.variants]
    named += [("patches", name) for patch in recipe.table.patches for name in patch.variants or ()]
    suite = recipe.table.test.suite
    named += [
        ("test.suite.known-failures", name)
        for known in (suite.known_failures if suite else ())
        for name in known.variants or ()
    ]
    for key, name in named:
        if name not in settings.variants:
            hint = suggestion(name, settings.variants)
            problems.add(
                RecipeError(f"unknown variant {name!r}", where=f"{recipe.where}: {key}.{name}", hint=hint)
            )


def _check_globs(recipe: LoadedRecipe, problems: Collector) -> None:
    """Each glob can match a build identifier of a Python that the recipe is for."""
    supported = SpecifierSet(recipe.table.python)
    pythons = [
        f"cp3{minor}{threads}"
        for minor in _MINORS
        if supported.contains(f"3.{minor}")
        for threads in ("", "t")
    ]
    identifiers = [f"{python}-{suffix}" for python in pythons for suffix in PLATFORM_SUFFIXES]
    globs = [("targets", glob) for glob in recipe.table.targets]
    globs += [("skip", skip.targets) for skip in recipe.table.skip]
    for key, glob in globs:
        if not any(fnmatchcase(identifier, glob) for identifier in identifiers):
            problems.add(
                RecipeError(
                    f"{glob!r} matches no target",
                    where=f"{recipe.where}: {key}",
                    why=f"it is for Python {supported}, and an identifier looks like {identifiers[0]}"
                    if identifiers
                    else f"no Python that we know is {supported}",
                    hint=suggestion(glob, PLATFORM_SUFFIXES),
                )
            )


def _check_files(recipe: LoadedRecipe, problems: Collector) -> None:
    smoke = recipe.table.test.smoke
    if smoke and not (recipe.directory / smoke).is_file():
        problems.add(RecipeError(f"there is no file {smoke!r}", where=f"{recipe.where}: test.smoke"))


def _check_suite(recipe: LoadedRecipe, problems: Collector) -> None:
    """A suite says what pytest is to run, and each of its known failures once."""
    suite = recipe.table.test.suite
    if suite is None:
        return
    where = f"{recipe.where}: test.suite"
    if not suite.args:
        hint = f'args = ["--pyargs", "{recipe.name.replace("-", "_")}"]'
        problems.add(RecipeError("the suite says no arguments of pytest", where=where, hint=hint))
    tests = [known.test for known in suite.known_failures]
    for test in sorted({test for test in tests if tests.count(test) > 1}):
        problems.add(RecipeError(f"{test} is listed twice", where=f"{where}.known-failures"))


def check_downstream(recipes: RecipeSet, problems: Collector) -> None:
    """Each recipe that another one names as downstream needs that one to run."""
    for recipe in recipes:
        needing = {
            each.name for each in recipes if recipe.name in recipes.run_closure(each.table.requires.run)
        }
        for name in recipe.table.test.downstream or ():
            if name not in needing:
                problems.add(
                    RecipeError(
                        f"{name!r} does not need {recipe.name} to run",
                        where=f"{recipe.where}: test.downstream",
                        hint=suggestion(name, needing),
                    )
                )


def _check_patches(recipe: LoadedRecipe, problems: Collector) -> None:
    """Each listed patch exists and can match; each patch in the directory is listed."""
    where = f"{recipe.where}: patches"
    listed = [patch.file for patch in recipe.table.patches]
    for patch in recipe.table.patches:
        if not (recipe.patches / patch.file).is_file():
            hint = f"it belongs into patches/{recipe.name}/"
            problems.add(PatchError(f"there is no patch {patch.file!r}", where=where, hint=hint))
        if patch.versions is not None and not _within(patch.versions, recipe.table.version):
            problems.add(
                PatchError(
                    f"{patch.file} matches nothing",
                    where=where,
                    why=f"it is for {patch.versions}, and the recipe is for {recipe.table.version}",
                    hint="remove it, or widen its range after a look at whether it is still needed",
                )
            )
    present = {path.relative_to(recipe.patches).as_posix() for path in recipe.patches.rglob("*.patch")}
    for file in sorted(present - set(listed)):
        hint = f'list it: [[patches]] file = "{file}"; or delete it'
        problems.add(PatchError(f"{file} is not listed", where=where, hint=hint))
    for file in sorted({file for file in listed if listed.count(file) > 1}):
        problems.add(PatchError(f"{file} is listed twice", where=where))


def _within(specifiers: str, version: str) -> bool:
    return SpecifierSet(specifiers).contains(version, prereleases=True)
