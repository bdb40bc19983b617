"""All recipes of a farm, from `recipes/<name>/`, checked one by one and against each other."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from pydantic.json_schema import GenerateJsonSchema

from wheelfarm.errors import Collector, PatchError, RecipeError, SettingsError, UsageError
from wheelfarm.model import Archive, Digest, GitCommit, Name, Sdist, parse_name
from wheelfarm.recipes.checks import check, check_downstream
from wheelfarm.recipes.layers import ResolvedRecipe, resolve
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.recipe import GitSource, Layer, Recipe, SdistSource
from wheelfarm.recipes.strict import parse, read_toml, suggestion
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.model import LockedRequirement, Source, Target
    from wheelfarm.recipes.settings import Settings


def recipe_file_name(directory: Path) -> str:
    """The recipe's file in a directory as people name it."""
    return f"{directory.parent.name}/{directory.name}/recipe.toml"


@dataclass(frozen=True, kw_only=True)
class LoadedRecipe:
    """A recipe with the directory that it stands in."""

    table: Recipe
    directory: Path
    patches: Path
    farm: Layer

    @property
    def name(self) -> Name:
        """The distribution's name."""
        return Name(self.table.name)

    @property
    def where(self) -> str:
        """The recipe's file as people name it."""
        return recipe_file_name(self.directory)

    @property
    def source(self) -> Source:
        """The pinned source as a value."""
        source, version = self.table.source, self.table.version
        if isinstance(source, SdistSource):
            return Sdist(version=version, sha256=Digest(source.sha256))
        if isinstance(source, GitSource):
            return GitCommit(
                version=version, url=source.url, commit=source.commit, submodules=source.submodules
            )
        return Archive(version=version, url=source.url, sha256=Digest(source.sha256))

    def resolve(self, *, variant: str, target: Target) -> ResolvedRecipe:
        """The values for one variant and target.

        Raises:
            RecipeError: where a layer appends to a single value or replaces nothing.
        """
        return resolve(self.table, where=self.where, farm=self.farm, variant=variant, target=target)

    def series(self, *, variant: str, target: Target) -> tuple[Path, ...]:
        """The patches that apply here, in the recipe's order."""
        return tuple(
            self.patches / patch.file
            for patch in self.table.patches
            if (
                patch.versions is None
                or SpecifierSet(patch.versions).contains(self.table.version, prereleases=True)
            )
            and (patch.variants is None or variant in patch.variants)
            and (patch.platforms is None or target.platform in patch.platforms)
        )

    @cached_property
    def build_lock(self) -> tuple[LockedRequirement, ...]:
        """build.lock, parsed.

        Raises:
            LockError: when it is missing or has an unlocked line.
        """
        return parse_lock(self.directory / "build.lock")

    @cached_property
    def test_lock(self) -> tuple[LockedRequirement, ...]:
        """test.lock, parsed; a recipe without one needs nothing but wheels of the farm to run.

        Raises:
            LockError: when it has an unlocked line.
        """
        path = self.directory / "test.lock"
        return parse_lock(path) if path.exists() else ()

    @cached_property
    def suite_lock(self) -> tuple[LockedRequirement, ...]:
        """suite.lock, parsed.

        Raises:
            LockError: when it is missing or has an unlocked line.
        """
        return parse_lock(self.directory / "suite.lock")

    def suite_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """What the upstream suite needs beside the wheel and its run requirements, locked, for a target."""
        return applicable(self.suite_lock, target)

    def build_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked build requirements for a target."""
        return applicable(self.build_lock, target)

    def test_requirements(self, target: Target) -> tuple[LockedRequirement, ...]:
        """The locked run requirements, from outside the farm, for a target."""
        return applicable(self.test_lock, target)

    def file_digest(self, name: str) -> Digest | None:
        """The digest of a file beside the recipe; None when there is none."""
        path = self.directory / name
        return sha256_of_file(path) if path.is_file() else None


@dataclass(frozen=True)
class RecipeSet:
    """All recipes, by name."""

    by_name: Mapping[Name, LoadedRecipe]

    def __iter__(self) -> Iterator[LoadedRecipe]:
        return iter(self.by_name.values())

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


def read_recipe(directory: Path, *, settings: Settings, farm: Layer) -> LoadedRecipe:
    """The recipe in a directory.

    Raises:
        RecipeError: a group with everything that is wrong in it.
    """
    file = directory / "recipe.toml"
    where = recipe_file_name(directory)
    table = parse(Recipe, read_toml(file, error=RecipeError), where=where, error=RecipeError)
    recipe = LoadedRecipe(
        table=table, directory=directory, patches=settings.patches / directory.name, farm=farm
    )
    problems = Collector()
    if table.name != directory.name:
        problems.add(
            RecipeError(
                f"the recipe in {directory.name!r} is for {table.name!r}",
                where=f"{where}: name",
                hint=f"git mv recipes/{directory.name} recipes/{table.name}",
            )
        )
    check(recipe, settings, problems)
    problems.check()
    return recipe


def read_recipes(settings: Settings) -> RecipeSet:
    """All recipes of the farm.

    Raises:
        RecipeError: a group with everything that is wrong in any of them.
        SettingsError: when `[tool.wheelfarm.defaults]` is wrong.
    """
    where = "pyproject.toml: tool.wheelfarm.defaults"
    farm = parse(Layer, settings.defaults, where=where, error=SettingsError)
    if not settings.recipes.is_dir():
        raise RecipeError("there is no recipes directory", where=str(settings.recipes))
    problems = Collector()
    entries: dict[Name, LoadedRecipe] = {}
    directories = sorted(
        path for path in settings.recipes.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    )
    # A recipe that cannot be read is still one: what requires it is not to blame.
    present = {path.name for path in directories}
    for directory in directories:
        with problems.collect():
            recipe = read_recipe(directory, settings=settings, farm=farm)
            entries[recipe.name] = recipe
    for recipe in entries.values():
        for kind, names in (("host", recipe.table.requires.host), ("run", recipe.table.requires.run)):
            for name in names:
                if name not in present:
                    problems.add(
                        RecipeError(
                            f"{name!r} is required, but the farm has no recipe for it",
                            where=f"{recipe.where}: requires.{kind}",
                            hint=suggestion(name, present),
                        )
                    )
    _check_names(entries, present, problems)
    check_downstream(RecipeSet(entries), problems)
    for path in sorted(settings.patches.rglob("*.patch")):
        series = path.relative_to(settings.patches).parts[0]
        if series not in present:
            problems.add(
                PatchError(
                    f"{path.name} is not listed",
                    where=f"patches/{series}",
                    why=f"there is no recipe {series!r}",
                    hint=suggestion(series, present),
                )
            )
    problems.check()
    return RecipeSet(entries)


def _check_names(entries: Mapping[Name, LoadedRecipe], present: Collection[str], problems: Collector) -> None:
    """No split may be called like another wheel of the farm."""
    taken = Counter(present)
    for recipe in entries.values():
        keys = [split.name or f"{recipe.name}-{key}" for key, split in recipe.table.splits.items()]
        taken.update(keys)
        for name in sorted({key for key in keys if taken[key] > 1}):
            what = f"two wheels of the farm would be called {name!r}"
            hint = 'give the split another one: name = "..."'
            problems.add(RecipeError(what, where=f"{recipe.where}: splits", hint=hint))


class _Schema(GenerateJsonSchema):
    """Draft 2020-12, with our title."""


def recipe_schema() -> str:
    """The JSON Schema of recipe.toml, for editors; committed as docs/reference/recipe.schema.json."""
    schema: dict[str, Any] = Recipe.model_json_schema(by_alias=True, schema_generator=_Schema)
    schema["$schema"] = _Schema.schema_dialect
    schema["title"] = "wheelfarm recipe"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
