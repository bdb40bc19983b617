"""The recipes: recipes against their files, their patches, the farm and each other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import LINUX, make_farm
from support.raised import only, raised
from wheelfarm.errors import GroupError, PatchError, RecipeError, UsageError
from wheelfarm.model import Target
from wheelfarm.recipes.recipe_set import RecipeSet, read_recipes

if TYPE_CHECKING:
    from pathlib import Path

FILE = "recipes/alpha/recipe.toml"
PATCH = "Why: x\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


def _read(root: Path, table: dict[str, Any], *patches: str, files: dict[str, str] | None = None) -> RecipeSet:
    bodies = {f"alpha/{name}": PATCH for name in patches}
    recipes = read_recipes(make_farm(root, {"alpha": table}, patches=bodies, files=files))
    recipes.check()
    return recipes


def _listed(*patches: dict[str, Any]) -> dict[str, Any]:
    return {"patches": list(patches)}


def test_a_recipe_set_has_the_recipes_by_name(tmp_path: Path) -> None:
    files = {"recipes/README.md": "no recipe"}
    recipes = read_recipes(make_farm(tmp_path, {"beta": {}, "alpha": {}}, files=files))
    assert [recipe.name for recipe in recipes] == ["alpha", "beta"]
    assert recipes.find("Alpha").directory == tmp_path / "recipes/alpha"


def test_an_unknown_recipe_gets_the_nearest_name(tmp_path: Path) -> None:
    recipes = _read(tmp_path, {})
    error = only(lambda: recipes.find("alhpa"), UsageError)
    assert (error.what, error.hint) == ("there is no recipe for 'alhpa'", "did you mean 'alpha'?")
    assert only(lambda: recipes.find("zzz"), UsageError).hint == "valid are: alpha"
    assert "not a distribution name" in only(lambda: recipes.find("no name"), UsageError).what


def test_a_farm_without_recipes_directory(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, settings={"recipes": "recipies"})
    error = only(lambda: read_recipes(settings).check(), RecipeError)
    assert error.where == str(tmp_path / "recipies")


@pytest.mark.parametrize(
    "key",
    [
        "a.b." * 2000 + "c = 1",
        "a = " + "9" * 5000,
        "a = " + "[" * 50_000,
        "a" * 100_000,
        "a = '" + "1." * 20 + "'",
    ],
)
def test_a_recipe_with_an_endless_key_takes_no_time(tmp_path: Path, key: str) -> None:
    settings = make_farm(tmp_path)
    (tmp_path / FILE).write_text(f"{key}\n")
    began = time.process_time()
    with pytest.raises((RecipeError, GroupError)):
        read_recipes(settings).check()
    assert time.process_time() - began < 2


def test_an_empty_farm_is_a_farm(tmp_path: Path) -> None:
    recipes = read_recipes(make_farm(tmp_path, {}))
    assert list(recipes) == []
    assert only(lambda: recipes.find("a"), UsageError).hint == "valid are: (none)"


def test_a_recipe_stands_in_the_directory_of_its_name(tmp_path: Path) -> None:
    error = only(lambda: _read(tmp_path, {"name": "beta"}), RecipeError)
    assert error.where == f"{FILE}: name"
    assert error.hint == "git mv recipes/alpha recipes/beta"


@pytest.mark.parametrize("kind", ["host", "run"])
def test_each_requirement_without_a_recipe_is_an_error(tmp_path: Path, kind: str) -> None:
    tables: dict[str, Any] = {
        "alpha": {"requires": {kind: ["bata", "gamma"]}},
        "beta": {"requires": {kind: ["xyz"]}},
    }
    errors = raised(lambda: read_recipes(make_farm(tmp_path, tables)).check(), RecipeError)
    absent = "write recipes/{}/recipe.toml, or take it out: what an index brings is in the lock alone"
    assert [(error.what.split("'")[1], error.where, error.hint) for error in errors] == [
        ("bata", f"{FILE}: requires.{kind}", "did you mean 'beta'?"),
        ("gamma", f"{FILE}: requires.{kind}", absent.format("gamma")),
        ("xyz", f"recipes/beta/recipe.toml: requires.{kind}", absent.format("xyz")),
    ]


def test_a_broken_recipe_does_not_blame_what_requires_it(tmp_path: Path) -> None:
    tables: dict[str, Any] = {"alpha": {"requires": {"host": ["beta"]}}, "beta": {"blas": 1}}
    error = only(lambda: read_recipes(make_farm(tmp_path, tables)).check(), RecipeError)
    assert error.where == "recipes/beta/recipe.toml: blas"


def test_a_directory_without_a_recipe(tmp_path: Path) -> None:
    settings = make_farm(tmp_path)
    for name in ("beta", ".git", "__pycache__"):
        (settings.recipes / name).mkdir()
    error = only(lambda: read_recipes(settings).check(), RecipeError)
    assert (error.what, "beta" in str(error.where)) == ("cannot read recipe.toml", True)


@pytest.mark.parametrize("table", [{"targets": {"*-manylinx_*": {}}}, {"targets": {"cp310-*": {}}}])
def test_a_glob_that_matches_no_target(tmp_path: Path, table: dict[str, Any]) -> None:
    error = only(lambda: _read(tmp_path, table), RecipeError)
    assert "matches no target" in error.what
    assert error.where == "recipes/alpha/recipe.toml: targets"


def test_a_skip_that_matches_no_target(tmp_path: Path) -> None:
    skip = [{"targets": "*-win32", "reason": "r"}, {"targets": "cp311-amiga", "reason": "r"}]
    error = only(lambda: _read(tmp_path, {"skip": skip}), RecipeError)
    assert (error.what, error.where) == ("'cp311-amiga' matches no target", "recipes/alpha/recipe.toml: skip")


@pytest.mark.parametrize("name", ["numpy", "NumPy"])
def test_numpy_may_not_be_loosened(tmp_path: Path, name: str) -> None:
    error = only(lambda: _read(tmp_path, {"build-requires": {"loosen": ["cython", name]}}), RecipeError)
    assert error.what == "numpy's upper bound may not be loosened"
    assert error.where == f"{FILE}: build-requires.loosen"


def test_others_may_be_edited(tmp_path: Path) -> None:
    edits = {
        "loosen": ["Cython"],
        "add": ["pkgconf>=2.3"],
        "remove": ["oldest-supported-numpy"],
        "replace": {"numpy": "numpy>=2"},
    }
    recipe = _read(tmp_path, {"build-requires": edits}).find("alpha").table
    assert recipe.build_requires.loosen == ["cython"]
    assert recipe.build_requires.replace == {"numpy": "numpy>=2"}


def test_an_unknown_variant_is_an_error_in_each_table(tmp_path: Path) -> None:
    table = {
        "variants": {"netlab": {}, "plain": {}},
        "patches": [{"file": "a.patch", "variants": ["plian"]}],
    }
    errors = raised(lambda: _read(tmp_path, table, "a.patch"), RecipeError)
    assert [(error.where, error.hint) for error in errors] == [
        (f"{FILE}: variants.netlab", "did you mean 'netlib'?"),
        (f"{FILE}: patches.plian", "did you mean 'plain'?"),
    ]


def test_the_smoke_script_must_be_there(tmp_path: Path) -> None:
    table = {"test": {"smoke": "smoke.py"}}
    error = only(lambda: _read(tmp_path, table), RecipeError)
    assert (error.what, error.where) == ("there is no file 'smoke.py'", f"{FILE}: test.smoke")
    recipe = _read(tmp_path, table, files={"recipes/alpha/smoke.py": "x"}).find("alpha")
    assert (
        recipe.file_digest("smoke.py") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    )
    assert recipe.file_digest("other.py") is None


@pytest.mark.parametrize(
    ("patches", "variant", "target", "files"),
    [
        ([{"file": "b.patch"}, {"file": "a.patch"}], "plain", LINUX, ["b.patch", "a.patch"]),
        ([{"file": "a.patch", "versions": ">=0.9,<2"}], "plain", LINUX, ["a.patch"]),
        ([{"file": "a.patch", "variants": ["netlib"]}], "plain", LINUX, []),
        ([{"file": "a.patch", "variants": ["netlib", "plain"]}], "plain", LINUX, ["a.patch"]),
        ([{"file": "a.patch", "platforms": ["macos"]}], "plain", LINUX, []),
        ([{"file": "a.patch", "platforms": ["linux", "macos"]}], "plain", "cp311-macosx_arm64", ["a.patch"]),
        (
            [{"file": "a.patch", "platforms": ["windows"], "variants": ["plain"], "versions": "==1.0"}],
            "plain",
            "cp311-win_amd64",
            ["a.patch"],
        ),
        (
            [{"file": "a.patch", "platforms": ["windows"], "variants": ["netlib"]}],
            "plain",
            "cp311-win_amd64",
            [],
        ),
    ],
)
def test_the_series_of_a_variant_and_target(
    tmp_path: Path, patches: list[dict[str, Any]], variant: str, target: str, files: list[str]
) -> None:
    recipe = _read(tmp_path, _listed(*patches), *(patch["file"] for patch in patches)).find("alpha")
    series = recipe.series(variant=variant, target=Target.parse(target))
    assert series == tuple(tmp_path / "patches/alpha" / file for file in files)


def test_a_patch_serves_a_prerelease_within_its_range(tmp_path: Path) -> None:
    table = _listed({"file": "a.patch", "versions": ">=1,<3"}) | {"version": "2.0rc1"}
    recipe = _read(tmp_path, table, "a.patch").find("alpha")
    assert len(recipe.series(variant="plain", target=Target.parse(LINUX))) == 1


@pytest.mark.parametrize(
    ("listed", "present", "what", "text"),
    [
        ([{"file": "a.patch"}], [], "there is no patch 'a.patch'", "it belongs into patches/alpha/"),
        (
            *([{"file": "a.patch", "versions": "<1.0"}], ["a.patch"], "a.patch matches nothing"),
            "it is for <1.0, and the recipe is for 1.0",
        ),
        ([{"file": "a.patch"}, {"file": "a.patch"}], ["a.patch"], "a.patch is listed twice", ""),
    ],
)
def test_a_patch_that_cannot_be_meant(
    tmp_path: Path, listed: list[dict[str, Any]], present: list[str], what: str, text: str
) -> None:
    error = only(lambda: _read(tmp_path, _listed(*listed), *present), PatchError)
    assert (error.what, error.where) == (what, f"{FILE}: patches")
    assert text in str(error)


def test_a_patch_that_is_not_listed(tmp_path: Path) -> None:
    errors = raised(
        lambda: _read(tmp_path, _listed({"file": "a.patch"}), "a.patch", "b.patch", "sub/c.patch"),
        PatchError,
    )
    assert [error.what for error in errors] == ["b.patch is not listed", "sub/c.patch is not listed"]
    assert errors[0].hint == 'list it: [[patches]] file = "b.patch"; or delete it'


def test_a_patch_of_no_recipe(tmp_path: Path) -> None:
    settings = make_farm(tmp_path, patches={"alhpa/a.patch": PATCH})
    error = only(lambda: read_recipes(settings).check(), PatchError)
    assert (error.where, error.why) == ("patches/alhpa", "there is no recipe 'alhpa'")
    assert error.hint == "did you mean 'alpha'?"
