"""Locks of a recipe that needs another one whose metadata are edited: they follow the edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.edited import edited_farm, edited_index
from support.locks import compile_lock
from support.raised import only
from wheelfarm.errors import Collector, LockError
from wheelfarm.recipes.lock_checks import check_locks
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.lock_header import read_header
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.recipes.settings import Settings


@pytest.fixture
def farm(tmp_path: Path) -> Settings:
    return edited_farm(tmp_path / "farm", edited_index(tmp_path / "index"))


def pins(settings: Settings, name: str, file: str = "test.lock") -> dict[str, str]:
    text = (settings.recipes / name / file).read_text()
    return {line.name: line.version for line in parse_lines(text, file)}


def problems_of(settings: Settings, name: str) -> list[FarmError]:
    recipes, problems = read_recipes(settings), Collector()
    check_locks(recipes.find(name), recipes, targets_of(settings), problems)
    return problems.errors


def test_the_edits_decide_what_is_pinned(farm: Settings) -> None:
    assert pins(farm, "tinybase") == {"quick": "2.0", "plus": "1.0"}
    # The public tinybase requires quick<2, and not plus.
    assert pins(farm, "tinytop") == {"quick": "2.0", "plus": "1.0"}
    header = read_header(farm.recipes / "tinytop/test.lock")
    assert header is not None
    assert header.farm_requires == {"tinybase": ["quick", "plus>=1"]}
    assert [problems_of(farm, name) for name in ("tinybase", "tinytop")] == [[], []]
    # The version of the farm's own wheel is known before the build.
    build = read_header(farm.recipes / "tinytop/build.lock")
    assert build is not None
    assert build.run_requires == ["tinybase~=1.0", "quick>=2"]


@pytest.mark.slow
def test_other_edits_make_the_locks_of_both_stale(farm: Settings) -> None:
    path = farm.recipes / "tinybase/recipe.toml"
    path.write_text(path.read_text().replace('add = ["plus>=1"]', 'add = ["plus<9"]'))
    now = load(farm.root, environ=farm.environ)
    assert {each.what for each in problems_of(now, "tinybase")} == {
        "build.lock is stale",
        "test.lock is stale",
    }
    assert problems_of(now, "tinytop") == []
    for file, text in compile_lock(now, "tinybase").items():
        (now.recipes / "tinybase" / file).write_text(text, encoding="utf-8")
    error = problems_of(now, "tinytop")[0]
    assert error.why == (
        "since it was written, farm-requires was tinybase = ['quick', 'plus>=1'], and is "
        "tinybase = ['quick', 'plus<9']"
    )
    assert error.hint == "inv recipe.lock tinytop"


@pytest.mark.slow
def test_without_the_edits_the_requirements_do_not_resolve(tmp_path: Path) -> None:
    recipes = {"tinybase": {}, "tinytop": {"metadata": {"requires": {"add": ["quick>=2"]}}}}
    error = only(lambda: edited_farm(tmp_path / "farm", edited_index(tmp_path / "index"), recipes), LockError)
    assert error.what == "the requirements of tinytop do not resolve"
    assert "quick<2" in (error.why or "")
