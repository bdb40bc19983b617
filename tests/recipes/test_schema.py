"""The JSON Schema: committed, current, and of one mind with the parser; jsonschema is the judge."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.farm import LINUX, RECIPE, over
from wheelfarm.errors import FarmError, RecipeError
from wheelfarm.model import Platform, Target
from wheelfarm.plan.graph import find_built
from wheelfarm.recipes.recipe import Recipe, recipe_schema
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load
from wheelfarm.recipes.strict import parse

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs/reference/recipe.schema.json"
RECIPES = sorted(ROOT.glob("recipes/*/recipe.toml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(COMMITTED.read_text(encoding="utf-8")))


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == recipe_schema(), "run: inv recipe.schema"


def test_the_schema_is_a_schema() -> None:
    schema = json.loads(recipe_schema())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "wheelfarm recipe"


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.parent.name)
def test_the_farms_own_recipes_are_valid(validator: Draft202012Validator, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    validator.validate(tomllib.loads(text))
    # The line by which editors find the schema.
    assert text.startswith("#:schema ../../docs/reference/recipe.schema.json\n")


def test_the_farms_own_recipes_resolve_everywhere() -> None:
    settings = load(ROOT, environ={})
    recipes = read_recipes(settings)
    assert len(list(recipes)) == len(RECIPES) >= 4
    targets = [LINUX, "cp313-macosx_arm64", "cp314-win_amd64"]
    assert {Target.parse(target).platform for target in targets} == set(Platform)
    for variant in settings.variants:
        for target in map(Target.parse, targets):
            built = find_built(recipes, target, variant)
            for recipe in recipes:
                if recipe.name in built:
                    recipe.resolve(variant=variant, target=target)
                assert recipe.build_requirements(target)
                recipe.test_requirements(target)


@pytest.mark.parametrize(
    "table",
    [
        {"sumary": "x"},
        {"summary": None},
        {"blas": "yes"},
        {"version": 1},
        {"source": {"sha256": None}},
        {"source": {"sha256": "a"}},
        {"source": {"kind": "sdits"}},
        {"source": {"url": "u"}},
        {"compilers": ["rust"]},
        {"config-settings": {"a": 1}},
        {"config-settings": {"a=b": "c"}},
        {"environment": {"A-B": "c"}},
        {"environment": {"A": ["c"]}},
        {"expect": {"blas": "x"}},
        {"test": {"imports": ["a-b"]}},
        {"test": {"time-limit": 0}},
        {"platforms": {"linx": {}}},
        {"variants": {"plain": {"environment": {}}}},
        {"patches": [{}]},
        {"patches": [{"file": "x", "variants": []}]},
        {"skip": [{"targets": "*"}]},
        {"system-packages": {"yum": []}},
    ],
)
def test_what_the_parser_refuses_editors_underline(
    validator: Draft202012Validator, table: dict[str, Any]
) -> None:
    recipe = over({"name": "alpha", **RECIPE}, table)
    with pytest.raises(FarmError):
        parse(Recipe, recipe, where="recipe.toml", error=RecipeError)
    assert not validator.is_valid(recipe)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"source": {"kind": "git", "url": "u", "commit": "a" * 40, "sha256": None}},
        {"source": {"kind": "archive", "url": "u"}},
        {"config-settings": {"a b": ["c", "d"], "e": "f"}, "environment": {"_A1": ""}},
        {"platforms": {"linux": {"append": {"expect": {"tests": True}}}}},
        {"patches": [{"file": "x", "variants": ["plain"], "platforms": ["macos"], "versions": ">1"}]},
        {"skip": [{"targets": "*-win32", "reason": "x"}], "cibuildwheel": {"any": {"thing": 1}}},
    ],
)
def test_what_the_parser_takes_editors_take(validator: Draft202012Validator, table: dict[str, Any]) -> None:
    recipe = over({"name": "alpha", **RECIPE}, table)
    parse(Recipe, recipe, where="recipe.toml", error=RecipeError)
    validator.validate(recipe)
