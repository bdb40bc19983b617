"""The graph of recipes: what they need, and what needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import LOCK, make_farm
from support.raised import only
from wheelfarm.errors import RecipeError, UsageError
from wheelfarm.model import Name
from wheelfarm.plan.recipe_graph import Edge, make_graph
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.recipe_graph import RecipeGraph
    from wheelfarm.recipes.recipe_set import RecipeSet

RECIPES = {
    "base": {},
    "middle": {"requires": {"host": ["base"], "run": ["base"]}},
    "top": {"requires": {"host": ["base"], "run": ["middle"]}},
    "alone": {},
}


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> RecipeSet:
    older = LOCK.replace("80.9.0", "79.0")
    files = {"recipes/top/build.lock": older, "recipes/top/test.lock": LOCK}
    return read_recipes(make_farm(tmp_path_factory.mktemp("graph") / "farm", RECIPES, files=files))


def part(recipes: RecipeSet, *names: str, needers: bool = False) -> RecipeGraph:
    return make_graph(recipes, [Name(name) for name in names] or None, needers=needers)


def test_a_recipe_with_all_that_it_needs(recipes: RecipeSet) -> None:
    found = part(recipes, "middle")
    assert dict(found.nodes) == {"base": "1.0", "middle": "1.0"}
    assert found.edges == (Edge("middle", "base", ("host", "run")),)
    assert found.roots() == ("middle",)
    assert set(part(recipes).nodes) == set(RECIPES)


def test_all_that_need_a_recipe(recipes: RecipeSet) -> None:
    found = part(recipes, "base", needers=True)
    assert set(found.nodes) == {"base", "middle", "top"}
    assert Edge("top", "base", ("host",)) in found.edges
    assert Edge("top", "middle", ("run",)) in found.edges
    assert found.roots(needers=True) == ("base",)


def test_what_only_locks_have_is_found_with_its_versions(recipes: RecipeSet) -> None:
    found = part(recipes, "setuptools", needers=True)
    assert found.nodes["setuptools"] == "79.0 or 80.9.0"
    assert Edge("base", "setuptools", ("build",), "80.9.0") in found.edges
    assert Edge("top", "setuptools", ("build", "test"), "79.0 or 80.9.0") in found.edges
    assert "setuptools" in make_graph(recipes, [Name("alone")], locks=True).nodes


def test_a_name_that_nothing_has_is_an_error(recipes: RecipeSet) -> None:
    error = only(lambda: part(recipes, "bsae"), UsageError)
    assert (error.what, error.hint) == ("there is no recipe for 'bsae'", "did you mean 'base'?")
    error = only(lambda: part(recipes, "setuptolos", needers=True), UsageError)
    assert error.what == "neither a recipe nor a lock has setuptolos"


def test_a_broken_recipe_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    settings = make_farm(tmp_path / "farm", RECIPES, files={"recipes/top/recipe.toml": "name ="})
    found = read_recipes(settings)
    with pytest.raises(RecipeError):
        part(found, "top")
    assert set(part(found).nodes) == set(RECIPES) - {"top"}
