"""Recipes of several versions of a distribution: `recipes/<name>/versions/<version>` is one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import Collector
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

VERSIONS: Final = "versions"
"""The directory of a recipe with recipes of other versions."""


def is_version(directory: Path) -> bool:
    """Whether a directory has the recipe of one version, below that of its distribution."""
    return directory.parent.name == VERSIONS and (directory.parents[1] / "recipe.toml").is_file()


def shown_directory(directory: Path) -> str:
    """A recipe's directory, for errors and origins."""
    return "/".join(directory.parts[-4 if is_version(directory) else -2 :])


def recipe_of(directory: Path) -> str:
    """The recipe in a directory, as a task names it: numpy, or numpy==2.3.5 for that of one version."""
    return f"{directory.parents[1].name}=={directory.name}" if is_version(directory) else directory.name


def find_version(directory: Path, version: str) -> Path:
    """The directory of a version below a recipe's own one.

    Raises:
        UsageError: when there is none.
    """
    found = {path.parent.name: path.parent for path in sorted(directory.glob(f"{VERSIONS}/*/recipe.toml"))}
    if version not in found:
        name = directory.name
        raise UsageError(
            f"there is no recipe for {name} {version}",
            where=f"{shown_directory(directory)}/{VERSIONS}",
            why=f"there is one for {', '.join(found)}" if found else None,
            hint=f"inv recipe.bump {name}=={version} moves the recipe to it",
        )
    return found[version]


def check_version(recipe: LoadedRecipe, problems: Collector) -> None:
    """Collect where the recipe of a version is for another version or distribution than its directory."""
    directory = recipe.directory
    for key, found, expected in (
        ("name", recipe.name, directory.parents[1].name),
        ("version", recipe.table.version, directory.name),
    ):
        if found != expected:
            what = f"the recipe in {shown_directory(directory)} is for {found!r}"
            problems.add(RecipeError(what, where=f"{recipe.where}: {key}", hint=f'{key} = "{expected}"'))
