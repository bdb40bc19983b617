"""Finds requirements that exclude the version of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import LockError
from wheelfarm.model import parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.lock_checks import required_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.requirements import Requirement

    from wheelfarm.model import Target
    from wheelfarm.recipes.draft.closure import Closure
    from wheelfarm.recipes.draft.requirement_walk import RequirementWalk
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet


def check_request(requirement: Requirement, recipes: RecipeSet) -> None:
    """Refuse a request that excludes the version of the recipe that the farm has of it.

    Raises:
        LockError: when it does.
    """
    recipe = recipes.by_name.get(parse_name(requirement.name))
    if recipe is not None and _excludes(requirement, recipe):
        raise _conflict("the request", "requires", requirement, recipe)


def find_run_conflicts(walk: RequirementWalk, closure: Closure) -> Iterator[LockError]:
    """Run requirements that exclude recipes of the farm, where uv found that some do."""
    if walk.excluded is None:
        return
    recipes, found = walk.drafter.recipes, False
    stated = [
        (f"{name} {version}", requirement)
        for name, each in closure.items()
        for version in each.versions
        if name not in recipes or name == walk.name
        for requirement in walk.stated(name, version)
    ]
    fitting = walk.find_fitting()
    hint = f"inv recipe.new '{walk.name}=={fitting}' --bootstrap fits the recipes, or" if fitting else None
    for who, requirement in {(who, str(each)): (who, each) for who, each in stated}.values():
        recipe = recipes.by_name.get(parse_name(requirement.name))
        if recipe is not None and _excludes(requirement, recipe):
            found = True
            yield _conflict(who, "requires", requirement, recipe, hint)
    if not found:
        yield LockError(
            f"the versions of the farm's recipes do not fit {walk.requirement}",
            where=f"{walk.drafter.settings.recipes.name}/",
            why=walk.excluded.why,
            hint=hint and hint.removesuffix(", or"),
        )


def find_build_conflicts(
    loaded: Iterable[LoadedRecipe], recipes: RecipeSet, targets: Sequence[Target]
) -> Iterator[LockError]:
    """Build requirements of new recipes that exclude the version of another recipe."""
    for each in loaded:
        header = each.lock_header("build.lock")
        for text in header.requires if header else ():
            for name in required_names([text], targets):
                recipe = recipes.by_name.get(name)
                if recipe is not None and _excludes(requirement := parse_requirement(text), recipe):
                    yield _conflict(f"{each.name} {each.table.version}", "is built with", requirement, recipe)


def _excludes(requirement: Requirement, recipe: LoadedRecipe) -> bool:
    return not requirement.specifier.contains(recipe.table.version, prereleases=True)


def _conflict(
    who: str, verb: str, requirement: Requirement, recipe: LoadedRecipe, hint: str | None = None
) -> LockError:
    return LockError(
        f"{who} {verb} {requirement}, and the recipe of {recipe.name} has {recipe.table.version}",
        where=recipe.where,
        why="a farm has one version of a distribution, which all its wheels are built with",
        hint=" ".join(filter(None, (hint, f"change the version of {recipe.where}"))),
    )
