"""Recipes of nightly builds: the newest commit of a branch in place of the pinned source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.errors import RecipeError
from wheelfarm.recipes.source_table import BranchHead, GitSource

if TYPE_CHECKING:
    from wheelfarm.errors import Collector
    from wheelfarm.model import Name
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe import Recipe

HINT: Final = 'nightly = { url = "https://...", branch = "main" }'
"""The line that a recipe lacks."""


@dataclass(frozen=True, kw_only=True)
class NightlyCommit:
    """The commit that a branch ends in now."""

    name: Name
    url: str
    branch: str
    commit: str
    time: int
    """In seconds since 1970."""
    version: str
    """Of the wheel."""


def nightly_url(recipe: LoadedRecipe) -> str:
    """The repository of a recipe's nightly.

    Raises:
        RecipeError: when the recipe names no branch or no repository.
    """
    nightly, source = recipe.table.nightly, recipe.table.source
    if nightly is None:
        raise RecipeError(
            f"{recipe.name} has no nightly: its recipe names no branch",
            where=f"{recipe.where}: nightly",
            hint=HINT,
        )
    url = nightly.url or (source.url if isinstance(source, GitSource) else None)
    if url is None:
        raise RecipeError(
            f"the nightly of {recipe.name} has no repository",
            where=f"{recipe.where}: nightly.url",
            why=f"only a git source has one, and this is {source.kind!r}",
            hint='url = "https://..."',
        )
    return url


def check_nightly(recipe: LoadedRecipe, problems: Collector) -> None:
    """Collect what is wrong with the nightly of a recipe, if it has one."""
    if recipe.table.nightly is None:
        return
    with problems.collect():
        nightly_url(recipe)
    with problems.collect():
        development_version(recipe, 0)


def development_version(recipe: LoadedRecipe, time: int) -> str:
    """The version of the wheel of a commit, by its time: newer than the release, older than the next one.

    The form is that of the version specifiers specification, as 1.17.2.dev20261130081500.

    Raises:
        RecipeError: when it would not be newer than the recipe's version.
    """
    table = recipe.table
    wanted = table.nightly.version if table.nightly else None
    base = wanted or _next_release(Version(table.version))
    version = f"{base}.dev{datetime.fromtimestamp(time, UTC):%Y%m%d%H%M%S}"
    leads = Version(base)
    if leads.is_prerelease or leads.is_postrelease or leads.local or leads <= Version(table.version):
        raise RecipeError(
            f"{base} is no release after {table.version} that a branch can lead to",
            where=f"{recipe.where}: nightly.version",
            why="the wheel gets a development version of it, which must be newer than the recipe's version",
            hint=f'version = "{_next_release(Version(table.version))}"',
        )
    return version


def _next_release(version: Version) -> str:
    """The release after a version: the last number grows by one; a pre-release is followed by its own."""
    *first, last = version.release
    numbers = (*first, last if version.is_prerelease else last + 1)
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, numbers))


def take_commit(recipe: LoadedRecipe, found: NightlyCommit) -> LoadedRecipe:
    """The recipe with a commit as its source, and the version of its nightly; no size limits the wheel."""
    table = recipe.table
    tables = [table.source] if isinstance(table.source, GitSource) else []
    said: dict[str, object] = {}
    for each in filter(None, (*tables, table.nightly)):
        said |= each.model_dump(by_alias=True, exclude_unset=True, exclude={"version"})
    pins = {"kind": "git", "url": found.url, "commit": found.commit, "branch": found.branch}
    source = BranchHead.model_validate(said | pins)
    changes = {"version": found.version, "source": source}
    return replace(recipe, table=table.model_copy(update=changes), sizes={})


def is_nightly(recipe: Recipe) -> bool:
    """Whether the source of a recipe is the commit of a branch."""
    return isinstance(recipe.source, BranchHead)
