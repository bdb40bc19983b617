"""Puts the edit that a failure proposes into the recipe, and writes its locks anew: all of it, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import TYPE_CHECKING, Final

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import Collector, RecipeError
from wheelfarm.plan.graph import find_built
from wheelfarm.recipes.checks import check_recipe, check_set
from wheelfarm.recipes.lock_compiler import LockCompiler, targets_of
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.recipe_set import RecipeSet
from wheelfarm.recipes.recipe_text import add_values
from wheelfarm.recipes.release_age import make_limit
from wheelfarm.recipes.strict import parse
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.files import explain_os_errors, write_atomically, write_if_changed
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.errors import Proposal
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.farm import Farm

ROUNDS: Final = 3
"""How often a chain builds again after edits, at most."""


@dataclass(frozen=True, kw_only=True)
class RecipeFix:
    """A recipe before and after an edit, and the locks that go with it."""

    proposal: Proposal
    directory: Path
    """Of the recipe."""
    before: bytes
    after: bytes
    locks: Mapping[str, str]
    """By file name; empty where they do not change."""

    @property
    def key(self) -> str:
        """The same for equal edits."""
        return json.dumps([self.proposal.name, self.proposal.values], sort_keys=True)

    @property
    def diff(self) -> tuple[str, ...]:
        """The change of recipe.toml, as a unified diff."""
        before, after = (text.decode().splitlines() for text in (self.before, self.after))
        where = self.proposal.where
        return tuple(unified_diff(before, after, f"a/{where}", f"b/{where}", lineterm=""))


def plan_fix(farm: Farm, proposal: Proposal) -> RecipeFix:
    """What an edit changes; nothing is written.

    Raises:
        RecipeError: when the recipe cannot be edited, or is wrong with the edit.
        LockError: when the requirements do not resolve with it.
        FarmError: when the source cannot be fetched.
    """
    recipe = farm.recipes.find(proposal.name)
    recipe.check_own("put the lines into recipes/{name}/recipe.toml, under [append] or [replace]")
    path = recipe.directory / "recipe.toml"
    with explain_os_errors(path, "the recipe"):
        before = path.read_bytes()
    after = add_values(before.decode(), proposal.values, recipe.where)
    recipes = _with_text(farm, recipe, after)
    locks: Mapping[str, str] = {}
    if proposal.relock:
        compiler = LockCompiler(
            settings=farm.settings,
            recipes=recipes,
            fetcher=make_fetcher(farm.settings),
            env=programs_environment(farm.settings),
            age=make_limit(farm.settings.min_age),
        )
        locks = compiler.compile(recipes.find(recipe.name))
    return RecipeFix(
        proposal=proposal, directory=recipe.directory, before=before, after=after.encode(), locks=locks
    )


def write_fix(fix: RecipeFix) -> None:
    """Write the recipe, then its locks. After a kill in between, inv recipe.lock completes it.

    Raises:
        RecipeError: when somebody has changed the recipe meanwhile; then nothing is written.
        FarmError: when a file cannot be written; then the recipe is as before.
    """
    path = fix.directory / "recipe.toml"
    with explain_os_errors(path, "the recipe"):
        if path.read_bytes() != fix.before:
            raise RecipeError("the recipe has changed while its edit was checked", where=fix.proposal.where)
    locks = {fix.directory / name: text.encode() for name, text in fix.locks.items()}
    old = {each: each.read_bytes() if each.exists() else None for each in locks}
    try:
        write_atomically(path, fix.after, "the recipe")
        for each, content in locks.items():
            write_atomically(each, content, "the lock")
    except BaseException:
        write_atomically(path, fix.before, "the recipe")
        for each, content_before in old.items():
            if content_before is not None:
                write_if_changed(each, content_before)
            else:
                each.unlink(missing_ok=True)
        raise


def _with_text(farm: Farm, recipe: LoadedRecipe, text: str) -> RecipeSet:
    """The recipes of the farm with another text of one.

    Raises:
        RecipeError: for what is wrong with it.
    """
    settings, problems = farm.settings, Collector()
    table = parse(Recipe, parse_toml(text), where=recipe.where, error=RecipeError)
    by_name = {**farm.recipes.by_name, recipe.name: replace(recipe, table=table)}
    recipes = RecipeSet(by_name, farm.recipes.broken).in_variant(settings.variant)
    candidate = recipes.find(recipe.name)
    check_recipe(candidate, settings, problems.of(recipe.name))
    check_set(recipes, {*recipes.by_name, *recipes.broken}, settings.patches, problems)
    # What is wrong with other recipes is no matter of this edit.
    if own := problems.by_name().get(recipe.name):
        raise own
    for variant in settings.variants:
        for target in targets_of(settings):
            if candidate.name in find_built(recipes, target, variant):
                candidate.resolve(variant=variant, target=target)
    return recipes
