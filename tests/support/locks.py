"""Locks of the recipes of a farm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.recipes.lock_compiler import LockCompiler
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from wheelfarm.recipes.release_age import AgeLimit
    from wheelfarm.recipes.settings import Settings


def compile_lock(settings: Settings, name: str, age: AgeLimit | None = None) -> dict[str, str]:
    """The text of each lock file of a recipe, by the file's name."""
    recipes = read_recipes(settings)
    compiler = LockCompiler(
        settings=settings,
        recipes=recipes,
        fetcher=make_fetcher(settings),
        env=programs_environment(settings),
        age=age,
    )
    return compiler.compile(recipes.find(name))
