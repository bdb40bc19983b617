"""Recipes: recipe.toml to frozen values, strictly; layers; locks; the JSON Schema."""

from wheelfarm.recipes.document import Expect, Layer, Recipe, Split
from wheelfarm.recipes.layers import Resolved
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.shelf import Entry, Shelf, read_recipe, read_shelf, recipe_schema
from wheelfarm.recipes.testing import KnownFailure, Suite, Test

__all__ = [
    "Entry",
    "Expect",
    "KnownFailure",
    "Layer",
    "Recipe",
    "Resolved",
    "Shelf",
    "Split",
    "Suite",
    "Test",
    "applicable",
    "parse_lock",
    "read_recipe",
    "read_shelf",
    "recipe_schema",
]
