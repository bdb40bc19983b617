"""Recipes of several versions of a distribution: a task names one, and the rest of the farm goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import tomlkit

from support.door import Door
from support.farm import LOCK, RECIPE, make_farm, plan_of
from support.raised import only
from wheelfarm.cli.sessions import read_summaries
from wheelfarm.errors import RecipeError, UsageError
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.run.bump_files import keep_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings

RECIPES: Final[Mapping[str, Table]] = {
    "alpha": {"patches": [{"file": "1.patch"}]},
    "beta": {"requires": {"host": ["alpha"]}},
}
PATCH: Final = "Why: a test\nUpstream: none\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A farm with alpha 2.0, its recipe of 1.0, and beta, which needs alpha."""
    settings = make_farm(tmp_path / "farm", RECIPES, patches={"alpha/1.patch": PATCH})
    keep_version(read_recipes(settings).find("alpha"), settings.recipes / "alpha")
    path = settings.recipes / "alpha" / "recipe.toml"
    path.write_text(tomlkit.dumps({"name": "alpha", **RECIPE, "version": "2.0"}))
    (settings.patches / "alpha/1.patch").unlink()
    return settings


def of_version(settings: Settings, version: str) -> RecipeSet:
    return read_recipes(settings.replace(versions={"alpha": version}))


def test_a_version_has_its_own_files(settings: Settings) -> None:
    recipe = of_version(settings, "1.0").find("alpha")
    assert recipe.table.version == "1.0"
    assert recipe.where == "recipes/alpha/versions/1.0/recipe.toml"
    assert recipe.patches == settings.recipes / "alpha/versions/1.0/patches"
    assert recipe.pins("build.lock")
    assert of_version(settings, "2.0").find("alpha").where == "recipes/alpha/recipe.toml"
    assert read_recipes(settings).find("alpha").table.version == "2.0"


def test_the_build_of_an_older_version_is_the_same_as_before(tmp_path: Path, settings: Settings) -> None:
    before = make_farm(tmp_path / "before", RECIPES, patches={"alpha/1.patch": PATCH})
    keys = {build.id: build.key for build in plan_of(before).builds}
    older = settings.replace(versions={"alpha": "1.0"})
    assert {build.id: build.key for build in plan_of(older).builds} == keys
    assert not keys.items() & {build.id: build.key for build in plan_of(settings).builds}.items()


def test_a_version_that_is_not_there_is_an_error(settings: Settings) -> None:
    recipes = of_version(settings, "3.0")
    error = only(lambda: recipes.find("alpha"), UsageError)
    assert (error.what, error.why) == ("there is no recipe for alpha 3.0", "there is one for 1.0")
    assert recipes.find("beta").table.version == "1.0"


def test_a_recipe_in_the_directory_of_another_version_is_an_error(settings: Settings) -> None:
    versions = settings.recipes / "alpha/versions"
    (versions / "1.0").rename(versions / "1.1")
    error = only(lambda: of_version(settings, "1.1").find("alpha"), RecipeError)
    assert error.what == "the recipe in recipes/alpha/versions/1.1 is for '1.0'"
    assert error.hint == 'version = "1.1"'


def test_tasks_take_a_version(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(settings.root, capsys, monkeypatch)
    checked = door.inv("recipe.check", "alpha==1.0")
    assert checked.returncode == 0, checked.stderr
    (settings.recipes / "alpha/versions/1.0/build.lock").unlink()
    checked = door.inv("recipe.check", "all")
    assert checked.returncode == 13
    assert "next: inv recipe.lock alpha==1.0 writes it" in checked.stderr
    (settings.recipes / "alpha/versions/2.0").mkdir()
    for name, text in (("recipe.toml", ""), ("build.lock", LOCK)):
        (settings.recipes / "alpha/versions/2.0" / name).write_text(text)
    assert "there are two recipes for alpha 2.0" in door.inv("recipe.check", "alpha").stderr
    assert door.inv("plan", "alpha==7").returncode == 2


def test_each_version_has_a_session(settings: Settings) -> None:
    assert [each.versions for each in read_summaries(settings.recipes)] == [("1.0",), ()]
