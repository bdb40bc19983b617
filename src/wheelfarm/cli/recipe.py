"""recipe.new, recipe.bump, recipe.list, recipe.check, recipe.sizes, recipe.lock, recipe.schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.recipe_bump import bump  # noqa: F401 - a task of this collection
from wheelfarm.cli.recipe_new import new  # noqa: F401 - a task of this collection
from wheelfarm.cli.release_options import MIN_AGE, make_age_limit
from wheelfarm.cli.task import task
from wheelfarm.errors import Collector, RecipeError, UsageError, counted
from wheelfarm.plan.graph import find_built, order
from wheelfarm.recipes.lock_checks import check_added, check_exemptions, check_locks
from wheelfarm.recipes.lock_compiler import LockCompiler, targets_of
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.recipe import recipe_schema
from wheelfarm.recipes.sizes import FILE as SIZES
from wheelfarm.recipes.sizes import merge_sizes, read_sizes, render_sizes
from wheelfarm.recipes.versions import VERSIONS
from wheelfarm.report.sizes import sizes_data, sizes_lines
from wheelfarm.run.farm import Farm
from wheelfarm.run.services import make_fetcher
from wheelfarm.run.stored_sizes import sizes_of, stored_sizes
from wheelfarm.sources.patches import check_header
from wheelfarm.system.files import read_text, write_atomically, write_if_changed
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name, Target
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

logger = get_logger(__name__)

_SCHEMA = "docs/reference/recipe.schema.json"


@task("json", name="list")
def list_recipes(call: Invocation) -> None:
    """List the recipes, in the order in which they build on each other."""
    entries = order(call.farm.recipes)
    with call.problems.collect():
        call.farm.recipes.check()
    width = max((len(recipe.name) for recipe in entries), default=0)
    call.show(
        [
            recipe.table.model_dump(by_alias=True, mode="json", exclude_unset=True)
            | {"where": recipe.where, "below": recipe.base.where if recipe.base else None}
            for recipe in entries
        ],
        (_recipe_line(recipe, width) for recipe in entries),
    )


def _recipe_line(recipe: LoadedRecipe, width: int) -> str:
    needs = ", ".join(dict.fromkeys((*recipe.table.requires.host, *recipe.table.requires.run)))
    needed = f" [on {needs}]" if needs else ""
    changed = ", changed here" if recipe.base and recipe.base.overlay else ""
    origin = f" ({recipe.base_farm.label}{changed})" if recipe.base and recipe.base_farm else ""
    return f"{recipe.name:{width}}  {recipe.table.wheel_version:8}  {recipe.table.summary}{needed}{origin}"


@task("json", sizes="the limits of sizes too: an error where one is more than 3 % above the stored wheel")
def check(call: Invocation, packages: str, *, sizes: bool = False) -> None:
    """Check recipes, layers, patches, locks and the schema, without network; all problems at once."""
    names, problems, farm = call.choose(packages), call.problems, call.farm
    if names is None:
        with problems.collect():
            farm.recipes.check()
    entries = order(farm.recipes, names)
    built = _find_built(farm)
    for recipe in entries:
        _check_recipe(recipe, farm, built, problems)
        _check_versions(recipe, farm, problems)
    with problems.collect():
        _check_schema(farm)
    for stored in stored_sizes(farm.wheelhouse, entries, farm.settings.variants) if sizes else ():
        for problem in stored.loose():
            what = f"{stored.recipe.name} ({stored.record.variant}, {stored.key}): a limit guards nothing"
            problems.add(RecipeError(what, where=stored.recipe.where, why=problem))
    problems.check()
    if call.json:
        call.screen.data([recipe.name for recipe in entries])
    call.screen.say(f"{counted(len(entries), 'recipe')} OK")


def _check_versions(recipe: LoadedRecipe, farm: Farm, problems: Collector) -> None:
    """Check the recipes of other versions, each as if a task named it."""
    for path in sorted(recipe.directory.glob(f"{VERSIONS}/*/recipe.toml")):
        version = path.parent.name
        if version == recipe.table.version:
            what = f"there are two recipes for {recipe.name} {version}"
            directory = f"{recipe.where.removesuffix('recipe.toml')}{VERSIONS}/{version}"
            problems.add(RecipeError(what, where=recipe.where, hint=f"git rm -r {directory}"))
            continue
        other = Farm(settings=farm.settings.replace(versions={recipe.name: version}))
        with problems.collect():
            _check_recipe(other.recipes.find(recipe.name), other, _find_built(other), problems)


def _find_built(farm: Farm) -> dict[tuple[str, Target], set[Name]]:
    """The recipes that each variant builds for each target."""
    return {
        (variant, target): find_built(farm.recipes, target, variant)
        for variant in farm.settings.variants
        for target in targets_of(farm.settings)
    }


def _check_recipe(
    recipe: LoadedRecipe, farm: Farm, built: Mapping[tuple[str, Target], set[Name]], problems: Collector
) -> None:
    unresolved, targets = Collector(), targets_of(farm.settings)
    for (variant, target), names in built.items():
        # Layers that meet in no build may contradict each other.
        if recipe.name in names:
            with unresolved.collect():
                recipe.resolve(variant=variant, target=target)
    # What is wrong for every target is reported once.
    for error in {str(each): each for each in unresolved.errors}.values():
        problems.add(error)
    with problems.collect():
        recipe.build_requirements(targets[0])
        if recipe.lock_header("build.lock") is None:
            lock = f"{recipe.where.removesuffix('recipe.toml')}build.lock"
            hint = f"inv recipe.lock {recipe.name} writes one that does"
            logger.warning(
                "%s does not say what it was made for, so nobody sees when it is stale: %s", lock, hint
            )
            check_added(recipe, targets, problems)
    with problems.collect():
        check_locks(recipe, farm.recipes, targets, problems)
        check_exemptions(recipe, problems)
    with problems.collect():
        recipe.test_requirements(targets[0])
    if recipe.table.test.suite is not None:
        with problems.collect():
            recipe.suite_requirements(targets[0])
    for patch in recipe.table.patches:
        with problems.collect():
            check_header(recipe.patch_file(patch.file))


@task("dry_run", "json", variant="one variant; all that the wheelhouse has by default")
def sizes(call: Invocation, packages: str, *, variant: str | None = None) -> None:
    """Write sizes.toml: what stored wheels measure, of which the gate allows 2 % more."""
    names, farm = call.choose(packages), call.farm
    if variant is not None:
        farm.settings.choose_variant(variant)
    with call.problems.collect():
        if names is None:
            farm.recipes.check()
    entries = [each for each in order(farm.recipes, names) if names is None or each.name in names]
    measured = list(stored_sizes(farm.wheelhouse, entries, [variant] if variant else farm.settings.variants))
    missing = [
        each.name for each in entries if names and each.name not in {of.recipe.name for of in measured}
    ]
    if missing:
        what = f"the wheelhouse has no wheel of {', '.join(missing)} to measure"
        raise UsageError(what, hint=f"nox -s build-{missing[0]}")
    for recipe in entries:
        found = sizes_of(each for each in measured if each.recipe.name == recipe.name)
        # Those of a base stay there.
        known = read_sizes(recipe.directory / SIZES, recipe.sizes_file)
        text = render_sizes(recipe.name, merge_sizes(known, found))
        if found and not call.dry_run:
            write_if_changed(recipe.directory / SIZES, text.encode())
    call.show(sizes_data(measured), sizes_lines(measured, call.screen.width))


def _check_schema(farm: Farm) -> None:
    """A farm may keep the schema for its editors; then it must be this farm's."""
    path = farm.settings.root / _SCHEMA
    if path.exists() and read_text(path, RecipeError) != recipe_schema():
        raise RecipeError(
            "the JSON Schema of recipes is out of date", where=_SCHEMA, hint="inv recipe.schema"
        )


@task("dry_run", output=f"the file; {_SCHEMA} by default")
def schema(call: Invocation, *, output: str = _SCHEMA) -> None:
    """Write the JSON Schema of recipe.toml, for editors."""
    if call.dry_run:
        call.screen.result(recipe_schema().splitlines())
    else:
        write_atomically(call.farm.settings.root / output, recipe_schema().encode(), "the schema")


@task("dry_run", "json", min_age=f"{MIN_AGE}, or any; the source must be as old")
def lock(call: Invocation, packages: str, *, min_age: str | None = None) -> None:
    """Write build.lock, test.lock and suite.lock: what comes from outside the farm, pinned with hashes."""
    names, farm = call.choose(packages), call.farm
    compiler = LockCompiler(
        settings=farm.settings,
        recipes=farm.recipes,
        fetcher=make_fetcher(farm.settings),
        env=programs_environment(farm.settings),
        age=make_age_limit(farm.settings, min_age),
    )
    pinned: dict[str, int] = {}
    with call.problems.collect():
        if names is None:
            farm.recipes.check()
    for recipe in order(farm.recipes, names):
        # Locks that the base keeps are not copied unless somebody asks for it.
        of_base = recipe.base is not None and not any(recipe.directory.glob("*.lock"))
        if recipe.name in names if names is not None else not of_base:
            for name, text in compiler.compile(recipe).items():
                if not call.dry_run:
                    write_atomically(recipe.directory / name, text.encode(), "the lock")
                file = f"{recipe.own_where.removesuffix('recipe.toml')}{name}"
                pinned[file] = len(parse_lines(text, file))
                call.screen.say(f"{file}: {pinned[file]} pinned")
    if call.json:
        call.screen.data(pinned)
