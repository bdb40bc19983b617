"""Expectations that no wheel can meet are errors before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, make_farm
from support.raised import only, raised
from wheelfarm.errors import RecipeError
from wheelfarm.model import Target
from wheelfarm.recipes.recipe_set import read_recipes

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.layers import ResolvedRecipe


def resolved(root: Path, recipe: dict[str, Any], target: str = LINUX) -> ResolvedRecipe:
    recipes = read_recipes(make_farm(root, {"alpha": recipe}))
    return recipes.find("alpha").resolve(variant="plain", target=Target.parse(target))


@pytest.mark.parametrize(
    ("expect", "key"),
    [
        ({"blas": "none", "interface": "lp64"}, "interface"),
        ({"extensions": False, "blas": "openblas"}, "blas"),
        ({"extensions": False, "stripped": True}, "stripped"),
        ({"extensions": False, "vendors": ["libgomp*"]}, "vendors"),
        ({"extensions": False, "cpu-dispatch": ["AVX2"]}, "cpu-dispatch"),
        ({"extensions": False, "abi3": True}, "abi3"),
        ({"files": {"present": ["alpha/a.h"], "absent": ["*.h"]}}, "files"),
        ({"files": {"present": ["alpha/tests/*"], "absent": ["*/tests/*"]}}, "files"),
        ({"platform-tag": "macosx_11_0"}, "platform-tag"),
        ({"platform-tag": "musllinux_1_2"}, "platform-tag"),
        ({"platform-tag": "win_amd64"}, "platform-tag"),
    ],
)
def test_what_cannot_be(tmp_path: Path, expect: dict[str, Any], key: str) -> None:
    error = only(lambda: resolved(tmp_path, {"compilers": ["c"], "expect": expect}), RecipeError)
    assert error.where == f"recipes/alpha/recipe.toml: expect.{key}"
    assert error.why


@pytest.mark.parametrize(
    "expect",
    [
        {"blas": "none"},
        {"blas": "openblas", "interface": "ilp64"},
        {"extensions": False, "vendors": [], "needs": [], "stripped": False, "blas": "none"},
        {"files": {"present": ["alpha/*"], "absent": ["*/tests/*"]}},
        {"platform-tag": "manylinux_2_28"},
        {"platform-tag": "any"},
    ],
)
def test_what_can_be(tmp_path: Path, expect: dict[str, Any]) -> None:
    assert resolved(tmp_path, {"compilers": ["c"], "expect": expect}).expect.blas == expect.get("blas")


def test_nothing_compiled_has_no_extension_module(tmp_path: Path) -> None:
    table = {"compilers": [], "expect": {"extensions": True, "blas": "reference"}}
    error = only(lambda: resolved(tmp_path, table), RecipeError)
    assert "compilers = []" in str(error.why)


def test_a_layer_can_be_to_blame_and_all_errors_are_raised(tmp_path: Path) -> None:
    table = {
        "compilers": ["c"],
        "expect": {"interface": "lp64", "platform-tag": "manylinux_2_28"},
        "platforms": {"macos": {"append": {"expect": {"blas": "none"}}}},
    }
    assert resolved(tmp_path / "linux", table).expect.interface == "lp64"
    errors = raised(lambda: resolved(tmp_path / "mac", table, "cp311-macosx_arm64"), RecipeError)
    assert [str(error.where).partition("expect.")[2] for error in errors] == ["interface", "platform-tag"]


@pytest.mark.parametrize("tag", ["macosx_11_0", "win_amd64", "win32"])
def test_a_tag_of_the_target(tmp_path: Path, tag: str) -> None:
    target = {"macosx_11_0": "cp311-macosx_arm64", "win_amd64": "cp311-win_amd64", "win32": "cp311-win32"}[
        tag
    ]
    assert resolved(tmp_path, {"expect": {"platform-tag": tag}}, target).expect.platform_tag == tag
