"""Which directory is the farm that one stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import write_farm
from support.raised import only
from wheelfarm.cli.task import farm_root
from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def _project(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(text)
    return directory


@pytest.mark.parametrize("place", [".", "recipes", "recipes/alpha", "docs"])
def test_it_is_found_from_within(tmp_path: Path, place: str) -> None:
    root = write_farm(tmp_path / "farm")
    (root / "docs").mkdir()
    assert farm_root(root / place) == root


@pytest.mark.parametrize(
    "text",
    [
        '[tool.wheelfarm]\nrecipes = "elsewhere"\n',
        "[tool.wheelfarm.variants.plain]\n",
        "tool = { wheelfarm = {} }\n",
        # What is wrong with it, the settings tell.
        "[tool.wheelfarm]\nrecipes =\n",
    ],
)
def test_its_recipes_may_be_elsewhere(tmp_path: Path, text: str) -> None:
    root = _project(tmp_path / "farm", text)
    (root / "elsewhere").mkdir()
    assert farm_root(root / "elsewhere") == root


def test_it_may_say_nothing_and_have_recipes(tmp_path: Path) -> None:
    root = _project(tmp_path / "farm", "")
    (root / "recipes").mkdir()
    assert farm_root(root) == root


@pytest.mark.parametrize("text", ["", "[tool.other]\n", "tool = 3\n", "name =\n", "[project]\nname = 'x'\n"])
def test_a_project_within_it_is_none(tmp_path: Path, text: str) -> None:
    root = write_farm(tmp_path / "farm")
    assert farm_root(_project(root / "sources/x", text)) == root


def test_the_nearest_counts(tmp_path: Path) -> None:
    outer = write_farm(tmp_path / "farm")
    inner = _project(outer / "examples/small", "[tool.wheelfarm]\n")
    assert farm_root(inner) == inner


def test_there_may_be_none(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    assert "[tool.wheelfarm]" in str(only(lambda: farm_root(tmp_path), UsageError).why)
