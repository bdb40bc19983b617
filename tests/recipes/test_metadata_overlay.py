"""`[metadata]` of a recipe over that of a base: appended to and replaced as other tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.bases import commit_farm, farm_over
from support.farm import builds_of
from support.raised import only
from wheelfarm.errors import RecipeError
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings

METADATA: dict[str, Any] = {
    "local-version": "base.1",
    "requires": {"loosen": ["numpy"], "pin-to-built": {"setuptools": ">=x"}, "add": ["setuptools"]},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A farm in a repository, and its commit."""
    root = tmp_path_factory.mktemp("base") / "acme"
    return root, commit_farm(root, {"alpha": {"metadata": METADATA}, "beta": {}})


def over(tmp_path: Path, base: tuple[Path, str], text: str, name: str = "alpha") -> Settings:
    files = {f"recipes/{name}/recipe.toml": text}
    return farm_over(tmp_path / "own", *base, cache=str(base[0].parent / "cache"), files=files)


def recipe_of(settings: Settings, name: str = "alpha") -> LoadedRecipe:
    recipes = read_recipes(settings)
    recipes.check()
    return recipes.find(name)


CHANGES = """\
[append.metadata.requires]
loosen = ["scipy"]
remove = ["pytest"]
pin-to-built.cython = "~=x.x"

[replace.metadata]
local-version = "team.1"
requires.pin-to-built.setuptools = ">=x.x"
"""


def test_each_key_is_appended_to_or_replaced(tmp_path: Path, base: tuple[Path, str]) -> None:
    settings = over(tmp_path, base, CHANGES)
    recipe = recipe_of(settings)
    edits = recipe.table.metadata
    assert edits.local_version == "team.1"
    assert edits.requires.model_dump() == {
        "remove": ["pytest"],
        "loosen": ["numpy", "scipy"],
        "add": ["setuptools"],
        "pin_to_built": {"setuptools": ">=x.x", "cython": "~=x.x"},
    }
    own = "recipes/alpha/recipe.toml"
    assert recipe.base is not None
    assert recipe.base.origins["metadata"] == f"{recipe.base.where} + {own}: append + {own}: replace"


def test_without_changes_the_wheel_is_that_of_the_base(tmp_path: Path, base: tuple[Path, str]) -> None:
    recipe = recipe_of(over(tmp_path, base, "[append]\ncpus = 2\n"))
    assert recipe.table.wheel_version == "1.0+base.1"


def test_a_recipe_without_the_table_gets_one(tmp_path: Path, base: tuple[Path, str]) -> None:
    settings = over(tmp_path, base, '[append.metadata]\nlocal-version = "team.1"\n', "beta")
    assert recipe_of(settings, "beta").table.wheel_version == "1.0+team.1"
    assert builds_of(settings, names=["beta"])["beta"].key_parts["metadata.local-version"] == "team.1"


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        (
            '[append.metadata]\nlocal-version = "team.1"\n',
            "metadata.local-version has a value already: it cannot be appended to",
            "append.metadata",
        ),
        (
            '[replace.metadata]\nrequires.remove = ["a"]\n',
            "metadata.requires.remove has no value that could be replaced",
            "replace.metadata",
        ),
        ('[metadata]\nlocal-version = "team.1"\n', "metadata: neither appended nor replaced", ""),
        (
            '[variants.netlib.append.metadata]\nlocal-version = "team.1"\n',
            "unknown key 'metadata'",
            "variants.netlib.append.metadata",
        ),
    ],
)
def test_what_does_not_fit_the_base_is_an_error(
    tmp_path: Path, base: tuple[Path, str], text: str, what: str, where: str
) -> None:
    error = only(lambda: recipe_of(over(tmp_path, base, text)), RecipeError)
    assert error.what == what
    assert (error.where or "").startswith(f"recipes/alpha/recipe.toml{': ' if where else ''}{where}")
    if where.startswith("variants"):
        assert error.hint == "a recipe says metadata once, for all variants, platforms and targets"
