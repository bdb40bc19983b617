"""Checks of recipes: against their files, the farm and each other, and of what they expect of a wheel."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from graphlib import CycleError as GraphCycle
from graphlib import TopologicalSorter
from itertools import product
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from wheelfarm.errors import Collector, CycleError, PatchError, RecipeError, SettingsError
from wheelfarm.model import PLATFORM_SUFFIXES, Name
from wheelfarm.recipes.base import FARM
from wheelfarm.recipes.nightly import check_nightly
from wheelfarm.recipes.providers import INTERFACES
from wheelfarm.recipes.source_table import WheelSource
from wheelfarm.recipes.strict import nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.model import Target
    from wheelfarm.recipes.expect_table import Expect
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.overlay import Overlay
    from wheelfarm.recipes.providers import Provider
    from wheelfarm.recipes.recipe import Recipe
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings

_MINORS: Final = range(8, 30)
"""Feature versions of Python 3 that a glob may match, including future ones."""


_OF_A_BUILD: Final = frozenset(
    {
        *("compilers", "blas", "build_requires", "patches", "config_settings", "environment", "metadata"),
        *("system_packages", "cibuildwheel", "repair"),
    }
)
"""Keys of a recipe that concern its build alone."""


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
    if table.test.smoke and not recipe.file(table.test.smoke).is_file():
        problems.add(RecipeError(f"there is no file {table.test.smoke!r}", where=f"{where}: test.smoke"))
    suite = table.test.suite
    overlay = recipe.base.overlay if recipe.base else None
    layered: tuple[Recipe | Overlay, ...] = (table, overlay) if overlay else (table,)
    named = [("variants", name) for each in layered for name in each.variants]
    named += [("patches", name) for patch in table.patches for name in patch.variants or ()]
    named += [("skip", name) for skip in table.skip for name in skip.variants or ()]
    named += [
        ("test.suite.known-failures", name)
        for known in (suite.known_failures if suite else ())
        for name in known.variants or ()
    ]
    _check_variants(named, where, settings, problems, RecipeError)
    measured = (("sizes", name) for name in recipe.sizes)
    _check_variants(measured, recipe.sizes_file, settings, problems, RecipeError)
    globs = [("targets", glob) for each in layered for glob in each.targets] + [
        ("skip", skip.targets) for skip in table.skip
    ]
    _check_globs(globs, table.python, where, problems, RecipeError)
    _check_suite(recipe, problems)
    _check_patches(recipe, problems)
    check_nightly(recipe, problems)
    if isinstance(table.source, WheelSource):
        for name in sorted(table.model_fields_set & _OF_A_BUILD):
            if getattr(table, name):
                where = f"{recipe.where}: {name.replace('_', '-')}"
                why = 'source.kind = "wheel" takes a public wheel over as it is: nothing is built'
                problems.add(RecipeError("this has no effect", where=where, why=why, hint="remove it"))


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
        if not recipe.patch_file(patch.file).is_file():
            hint = f"it belongs into patches/{recipe.name}/"
            problems.add(PatchError(f"there is no patch {patch.file!r}", where=where, hint=hint))
        if not patch.is_for(version):
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
        table = "append.patches" if recipe.base else "patches"
        hint = f'list it: [[{table}]] file = "{file}"; or delete it'
        problems.add(PatchError(f"{file} is not listed", where=where, hint=hint))
    for file in sorted({file for file in listed if listed.count(file) > 1}):
        problems.add(PatchError(f"{file} is listed twice", where=where))


def check_providers(settings: Settings, present: Collection[str], problems: Collector) -> None:
    """Collect recipes of `providers` that do not exist."""
    for variant, table in settings.variants.items():
        for name in sorted(table.providers.keys() - set(present)):
            where = f"pyproject.toml: tool.wheelfarm.variants.{variant}.providers.{name}"
            hint = suggestion(name, present)
            problems.add(SettingsError(f"there is no recipe {name!r}", where=where, hint=hint))


def check_set(recipes: RecipeSet, present: Collection[str], patches: Path, problems: Collector) -> None:
    """Collect where recipes do not fit each other.

    Args:
        recipes: those that could be read.
        present: the names of all, also of those that could not.
        patches: the directory of the patch series.
        problems: gets the errors of each recipe.
    """
    _check_requires(recipes, present, problems)
    _check_circles(recipes, problems)
    _check_split_names(recipes, present, problems)
    _check_downstream(recipes, present, problems)
    _check_series(patches, present, problems)


_NO_RECIPE: Final = "write recipes/{}/recipe.toml, or take it out: what an index brings is in the lock alone"


def _check_requires(recipes: RecipeSet, present: Collection[str], problems: Collector) -> None:
    for recipe in recipes:
        requires = recipe.table.requires
        for kind, names in (("host", requires.host), ("run", requires.run)):
            for name in names:
                if name not in present:
                    what = f"{name!r} is required, but the farm has no recipe for it"
                    where = f"{recipe.where}: requires.{kind}"
                    near = nearest(name, present)
                    hint = f"did you mean {near!r}?" if near else _NO_RECIPE.format(name)
                    problems.of(recipe.name).add(RecipeError(what, where=where, hint=hint))


def _check_circles(recipes: RecipeSet, problems: Collector) -> None:
    """Each recipe of a circle has the error of the circle."""
    graph = {each.name: sorted({*each.table.requires.host, *each.table.requires.run}) for each in recipes}
    while graph:
        try:
            TopologicalSorter(graph).prepare()
        except GraphCycle as cycle:
            # graphlib lists the circle from a needed recipe to the one that needs it.
            members = cycle.args[1]
            error = CycleError(
                "recipes need each other in a circle",
                where=" → ".join(reversed(members)),
                hint="drop one of these names from `requires` in a recipe of the circle",
            )
            for name in members[1:]:
                problems.of(name).add(error)
                graph.pop(name)
        else:
            return


def _check_split_names(recipes: RecipeSet, present: Collection[str], problems: Collector) -> None:
    count = Counter(present)
    for recipe in recipes:
        # named_splits would hide two splits of the same name.
        names = [split.name or f"{recipe.name}-{key}" for key, split in recipe.table.splits.items()]
        count.update(names)
        for name in sorted({name for name in names if count[name] > 1}):
            what = f"two wheels of the farm would be called {name!r}"
            hint = 'give the split another one: name = "..."'
            error = RecipeError(what, where=f"{recipe.where}: splits", hint=hint)
            problems.of(recipe.name).add(error)


def _check_downstream(recipes: RecipeSet, present: Collection[str], problems: Collector) -> None:
    """Each recipe that another one names as downstream needs that one to run."""

    def needs(recipe: LoadedRecipe, other: LoadedRecipe) -> bool:
        return other.name in recipes.run_closure(recipe.table.requires.run)

    for recipe in recipes:
        for name in recipe.table.test.downstream or ():
            named = recipes.by_name.get(Name(name))
            if needs(named, recipe) if named else name in present:
                continue
            what = f"{name!r} does not need {recipe.name} to run"
            where = f"{recipe.where}: test.downstream"
            hint = suggestion(name, [each.name for each in recipes if needs(each, recipe)])
            problems.of(recipe.name).add(RecipeError(what, where=where, hint=hint))


def _check_series(patches: Path, present: Collection[str], problems: Collector) -> None:
    for path in sorted(patches.rglob("*.patch")):
        name = path.relative_to(patches).parts[0]
        if canonicalize_name(name) not in present:
            problems.of(name).add(
                PatchError(
                    f"{path.name} is not listed",
                    where=f"patches/{name}",
                    why=f"there is no recipe {name!r}",
                    hint=suggestion(name, present),
                )
            )


_COMPILED_ONLY: Final = ("interface", "stripped", "needs", "vendors", "abi3", "cpu_dispatch", "numpy_api")
"""Expectations that only a wheel with compiled code can meet."""


def _code_contradictions(expect: Expect, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Each key about compiled code that no wheel of the recipe can meet, and why."""
    if expect.extensions and not recipe.compiled:
        yield "extensions", "it expects extension modules, but its wheel is pure: compilers = []"
    if expect.extensions is False:
        if expect.blas not in {None, "none"}:
            yield "blas", f"it expects {expect.blas}, but no extension module that could use it"
        for name in _COMPILED_ONLY:
            # A wheel without compiled code meets an empty list and `false`.
            if getattr(expect, name):
                yield name.replace("_", "-"), "it is about compiled code, but extensions = false expects none"
    if expect.blas == "none" and expect.interface is not None:
        yield "interface", f"it expects {expect.interface}, the interface of a BLAS, but blas = none"


def _file_contradictions(expect: Expect, target: Target) -> Iterator[tuple[str, str]]:
    """The same for the wheel's members and its platform tag."""
    for present, absent in product(expect.files.present, expect.files.absent) if expect.files else ():
        if present == absent or fnmatchcase(present, absent):
            yield "files", f"{present!r} must be present, and {absent!r} absent"
    # win32 is the one tag without an underscore.
    tag = expect.platform_tag or "any"
    if tag != "any" and tag.partition("_")[0].removesuffix("32") != target.system:
        yield "platform-tag", f"it expects {tag}, but the target is {target.identifier}"


def check_interface(
    resolved: ResolvedRecipe, *, name: str, variant: str, provider: Provider, where: str
) -> None:
    """Raise a RecipeError where a recipe expects another interface than its BLAS has."""
    wanted, found = resolved.expect.interface, INTERFACES.get(provider)
    if None in {wanted, found} or wanted == found:
        return
    path = "expect.interface"
    other = next((each for each in INTERFACES if INTERFACES[each] == wanted), "…")
    raise RecipeError(
        f"{name} expects {wanted}, but its BLAS in the variant {variant!r} is {found}",
        where=f"{resolved.origins.get(path, where)}: {path}",
        why=f"its provider there is {provider}",
        hint=f'providers.{name} = "{other}" in [tool.wheelfarm.variants.{variant}]; or, where {name} can use '
        f'{found}, its option for that and {path} = "{found}" in its layer of the variant',
    )


def check_expectations(resolved: ResolvedRecipe, *, recipe: Recipe, target: Target, where: str) -> None:
    """Raise a RecipeError for each pair of expectations that no wheel of the recipe can meet."""
    problems = Collector()
    expect = resolved.expect
    for key, why in (*_code_contradictions(expect, recipe), *_file_contradictions(expect, target)):
        path = f"expect.{key}"
        origin = next((origin for name, origin in resolved.origins.items() if name.startswith(path)), where)
        problems.add(
            RecipeError(
                "these expectations contradict each other",
                where=f"{origin}: {path}",
                why=why,
                hint="remove one of the two, or move it to the layer of its platform or variant",
            )
        )
    problems.check()
