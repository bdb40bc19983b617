"""Reads all recipes of a farm and checks them against each other."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wheelfarm.errors import Collector, PatchError, RecipeError, UsageError
from wheelfarm.model import Name, parse_name
from wheelfarm.recipes.checks import check_defaults, check_recipe
from wheelfarm.recipes.loaded_recipe import LoadedRecipe
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.strict import parse, read_toml, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings


@dataclass(frozen=True)
class RecipeSet:
    """All recipes of a farm."""

    by_name: Mapping[Name, LoadedRecipe]

    def __iter__(self) -> Iterator[LoadedRecipe]:
        return iter(self.by_name.values())

    def find(self, name: str) -> LoadedRecipe:
        """The recipe of that name.

        Raises:
            UsageError: when there is none, with the nearest name.
        """
        known = self.by_name.get(parse_name(name))
        if known is None:
            raise UsageError(
                f"there is no recipe for {name!r}", where="recipes/", hint=suggestion(name, self.by_name)
            )
        return known

    def run_closure(self, names: Iterable[str]) -> tuple[Name, ...]:
        """The names and all that the installed wheels of them need to run."""
        found: set[Name] = set()
        waiting = [Name(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.by_name:
                waiting.extend(map(Name, self.by_name[name].table.requires.run))
            found.add(name)
        return tuple(sorted(found))


def read_recipe(directory: Path, settings: Settings) -> LoadedRecipe:
    """The recipe in a directory.

    Raises:
        RecipeError: a group with everything that is wrong in it.
    """
    file = directory / "recipe.toml"
    where = f"{directory.parent.name}/{directory.name}/recipe.toml"
    recipe = LoadedRecipe(
        table=parse(Recipe, read_toml(file, error=RecipeError), where=where, error=RecipeError),
        directory=directory,
        patches=settings.patches / directory.name,
        defaults=settings.defaults,
        blas_expects={name: variant.expect for name, variant in settings.variants.items()},
    )
    problems = Collector()
    if recipe.name != directory.name:
        problems.add(
            RecipeError(
                f"the recipe in {directory.name!r} is for {recipe.name!r}",
                where=f"{where}: name",
                hint=f"git mv recipes/{directory.name} recipes/{recipe.name}",
            )
        )
    check_recipe(recipe, settings, problems)
    problems.check()
    return recipe


def read_recipes(settings: Settings) -> RecipeSet:
    """All recipes of the farm.

    Raises:
        RecipeError: a group with everything that is wrong in any of them.
        SettingsError: when `[tool.wheelfarm.defaults]` is wrong.
    """
    if not settings.recipes.is_dir():
        raise RecipeError("there is no recipes directory", where=str(settings.recipes))
    problems = Collector()
    check_defaults(settings, problems)
    by_name: dict[Name, LoadedRecipe] = {}
    directories = sorted(
        path for path in settings.recipes.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    )
    # A recipe that cannot be read still exists: a recipe that requires it is not wrong.
    present = {path.name for path in directories}
    for directory in directories:
        with problems.collect():
            recipe = read_recipe(directory, settings)
            by_name[recipe.name] = recipe
    recipes = RecipeSet(by_name)
    _check_requires(recipes, present, problems)
    _check_split_names(recipes, present, problems)
    _check_downstream(recipes, problems)
    _check_series(settings.patches, present, problems)
    problems.check()
    return recipes


def _check_requires(recipes: RecipeSet, present: Collection[str], problems: Collector) -> None:
    for recipe in recipes:
        requires = recipe.table.requires
        for kind, names in (("host", requires.host), ("run", requires.run)):
            for name in names:
                if name not in present:
                    what = f"{name!r} is required, but the farm has no recipe for it"
                    where = f"{recipe.where}: requires.{kind}"
                    problems.add(RecipeError(what, where=where, hint=suggestion(name, present)))


def _check_split_names(recipes: RecipeSet, present: Collection[str], problems: Collector) -> None:
    count = Counter(present)
    for recipe in recipes:
        # named_splits would hide two splits of the same name.
        names = [split.name or f"{recipe.name}-{key}" for key, split in recipe.table.splits.items()]
        count.update(names)
        for name in sorted({name for name in names if count[name] > 1}):
            what = f"two wheels of the farm would be called {name!r}"
            hint = 'give the split another one: name = "..."'
            problems.add(RecipeError(what, where=f"{recipe.where}: splits", hint=hint))


def _check_downstream(recipes: RecipeSet, problems: Collector) -> None:
    """Each recipe that another one names as downstream needs that one to run."""
    for recipe in recipes:
        needing = {
            each.name for each in recipes if recipe.name in recipes.run_closure(each.table.requires.run)
        }
        for name in recipe.table.test.downstream or ():
            if name not in needing:
                what = f"{name!r} does not need {recipe.name} to run"
                where = f"{recipe.where}: test.downstream"
                problems.add(RecipeError(what, where=where, hint=suggestion(name, needing)))


def _check_series(patches: Path, present: Collection[str], problems: Collector) -> None:
    for path in sorted(patches.rglob("*.patch")):
        name = path.relative_to(patches).parts[0]
        if name not in present:
            problems.add(
                PatchError(
                    f"{path.name} is not listed",
                    where=f"patches/{name}",
                    why=f"there is no recipe {name!r}",
                    hint=suggestion(name, present),
                )
            )


def recipe_schema() -> str:
    """The JSON Schema of recipe.toml, for editors; committed as docs/reference/recipe.schema.json."""
    schema: dict[str, Any] = Recipe.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "wheelfarm recipe"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
