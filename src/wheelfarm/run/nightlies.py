"""Nightlies: looks up the newest commits of the branches that recipes name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.recipes.nightly import HINT, NightlyCommit, development_version, nightly_url
from wheelfarm.run.services import make_fetcher
from wheelfarm.sources.urls import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.model import Name
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.farm import Farm
    from wheelfarm.sources.fetcher import Fetcher


def find_commits(farm: Farm, names: Sequence[Name] | None) -> tuple[NightlyCommit, ...]:
    """The newest commit of the branch of each recipe; it is fetched into the cache.

    Args:
        farm: whose recipes.
        names: the recipes, each of which must name a branch; None for all that name one.

    Raises:
        RecipeError: when a recipe names no branch, or none does.
        NetworkError, SourceError: when a repository cannot be reached, or has no such branch.
    """
    named = [farm.recipes.find(name) for name in names] if names is not None else None
    recipes = [each for each in farm.recipes if each.table.nightly] if named is None else named
    if not recipes:
        raise RecipeError("no recipe has a nightly", hint=HINT)
    fetcher, problems, found = make_fetcher(farm.settings), Collector(), []
    for recipe in recipes:
        with problems.collect():
            found.append(_find_commit(recipe, fetcher))
    problems.check()
    return tuple(found)


def _find_commit(recipe: LoadedRecipe, fetcher: Fetcher) -> NightlyCommit:
    url, nightly = nightly_url(recipe), recipe.table.nightly
    branch = nightly.branch if nightly else ""
    commit, time = fetcher.branch_head(url, branch)
    version = development_version(recipe, time)
    return NightlyCommit(name=recipe.name, url=url, branch=branch, commit=commit, time=time, version=version)


def describe_commit(found: NightlyCommit) -> str:
    """The line that says what a branch ends in."""
    branch = f"{found.branch} of {shown(found.url)}"
    return f"{found.name}: {branch} is at {found.commit}, whose wheel is {found.version}"
