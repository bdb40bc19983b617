"""The recipes of a farm, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from wheelfarm.errors import Collector, RecipeError, UsageError
from wheelfarm.model import Name, parse_name
from wheelfarm.recipes.checks import (
    check_defaults,
    check_providers,
    check_recipe,
    check_set,
)
from wheelfarm.recipes.loaded_recipe import LoadedRecipe
from wheelfarm.recipes.nightly import take_commit
from wheelfarm.recipes.overlay import read_layered
from wheelfarm.recipes.sizes import FILE as SIZES
from wheelfarm.recipes.sizes import merge_sizes, read_sizes
from wheelfarm.recipes.strict import suggestion
from wheelfarm.recipes.versions import check_version, find_version, is_version, shown_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.nightly import NightlyCommit
    from wheelfarm.recipes.settings import Settings


@dataclass(frozen=True)
class RecipeSet:
    """All recipes of a farm."""

    by_name: Mapping[Name, LoadedRecipe]
    broken: Mapping[Name, FarmError] = field(default_factory=dict)
    """What is wrong with each recipe that cannot be used."""

    def __iter__(self) -> Iterator[LoadedRecipe]:
        return iter(self.by_name.values())

    def __contains__(self, name: object) -> bool:
        """Whether the farm has a recipe of that name, also one with an error."""
        return name in self.by_name or name in self.broken

    @cached_property
    def with_edited_requires(self) -> frozenset[Name]:
        """The recipes that edit what their wheel requires."""
        return frozenset(each.name for each in self if not each.table.metadata.requires.is_empty)

    def without(self, broken: Mapping[str, FarmError]) -> RecipeSet:
        """The recipes, of which further ones cannot be used."""
        return RecipeSet(
            {name: recipe for name, recipe in self.by_name.items() if name not in broken},
            {**self.broken, **{Name(name): error for name, error in broken.items()}},
        )

    def in_variant(self, variant: str) -> RecipeSet:
        """The recipes as a variant needs them."""
        by_name = {name: recipe.in_variant(variant) for name, recipe in self.by_name.items()}
        recipes = RecipeSet(by_name, self.broken)
        installed = {each.name: lock for each in recipes if (lock := each.lock_of_installed(variant))}
        if not installed and not any(each.provided for each in recipes):
            return recipes
        for recipe in recipes:
            needed = {
                recipe.name,
                *recipes.run_closure([*recipe.table.requires.host, *recipe.table.requires.run]),
            }
            locks = [installed[name] for name in sorted(needed & installed.keys())]
            if locks or recipe.provided:
                by_name[recipe.name] = replace(recipe, provided=locks[0] if locks else None)
        return RecipeSet(by_name, self.broken)

    def with_commits(self, commits: Iterable[NightlyCommit]) -> RecipeSet:
        """The recipes, of which some take the commit of a branch in place of their source."""
        by_name = dict(self.by_name)
        for commit in commits:
            by_name[commit.name] = take_commit(by_name[commit.name], commit)
        return replace(self, by_name=by_name)

    def check(self) -> None:
        """Raise what is wrong with recipes, all at once."""
        problems = Collector()
        for error in self.broken.values():
            problems.add(error)
        problems.check()

    def find(self, name: str) -> LoadedRecipe:
        """The recipe of that name.

        Raises:
            FarmError: what is wrong with it.
            UsageError: when there is none, with the nearest name.
        """
        known = self.by_name.get(parse_name(name))
        if error := self.broken.get(parse_name(name)):
            raise error
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


def load_recipe(directory: Path, settings: Settings) -> LoadedRecipe:
    """The recipe in a directory, whatever is wrong with the files beside it.

    Raises:
        RecipeError: when recipe.toml cannot be read.
    """
    where = f"{shown_directory(directory)}/recipe.toml"
    table, base = read_layered(directory, where, settings)
    sizes = read_sizes(directory / SIZES, where.replace("recipe.toml", SIZES))
    if base is not None:
        below = read_sizes(base.directory / SIZES, base.where.replace("recipe.toml", SIZES))
        sizes = merge_sizes(below, sizes)
    return LoadedRecipe(
        table=table,
        directory=directory,
        patches=directory / "patches" if is_version(directory) else settings.patches / directory.name,
        base=base,
        base_farm=settings.base_farm,
        defaults=settings.defaults,
        variants=settings.variants,
        sizes=sizes,
        root=settings.root,
    )


def read_recipe(directory: Path, settings: Settings) -> LoadedRecipe:
    """The recipe in a directory. Raises a RecipeError for everything that is wrong in it."""
    recipe, problems = load_recipe(directory, settings), Collector()
    if is_version(directory):
        check_version(recipe, problems)
    elif recipe.name != directory.name:
        problems.add(
            RecipeError(
                f"the recipe in {directory.name!r} is for {recipe.name!r}",
                where=f"{recipe.where}: name",
                hint=f"git mv recipes/{directory.name} recipes/{recipe.name}",
            )
        )
    check_recipe(recipe, settings, problems)
    problems.check()
    return recipe


def _of_version(directory: Path, version: str | None, settings: Settings) -> Path:
    """The directory of the recipe of a version, which may be the distribution's own one."""
    if version is None or version == load_recipe(directory, settings).table.version:
        return directory
    return find_version(directory, version)


def read_recipes(settings: Settings) -> RecipeSet:
    """All recipes of the farm, each in the version that the settings name, with what is wrong in any of them.

    Raises:
        RecipeError: when there is no directory of recipes.
        SettingsError: when `[tool.wheelfarm.defaults]` is wrong.
    """
    base = settings.base_farm
    if base is None and not settings.recipes.is_dir():
        raise RecipeError("there is no recipes directory", where=str(settings.recipes))
    problems = Collector()
    check_defaults(settings, problems)
    problems.check()
    by_name: dict[Name, LoadedRecipe] = {}
    own = settings.recipes.iterdir() if settings.recipes.is_dir() else ()
    names = {path.name for path in own if path.is_dir() and not path.name.startswith((".", "_"))}
    directories = sorted(settings.recipes / name for name in names | set(base.names() if base else ()))
    # A recipe that cannot be read still exists: a recipe that requires it is not wrong.
    present = {path: Name(canonicalize_name(path.name)) for path in directories}
    check_providers(settings, present.values(), problems)
    problems.check()
    for directory, name in present.items():
        with problems.of(name).collect():
            by_name[name] = read_recipe(
                _of_version(directory, settings.versions.get(name), settings), settings
            )
    recipes = RecipeSet(by_name).in_variant(settings.variant)
    check_set(recipes, set(present.values()), settings.patches, problems)
    return recipes.without(problems.by_name())
