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


@pytest.mark.parametrize("below", [".", "recipes", "recipes/alpha", "docs"])
def test_the_farm_is_found_from_within(tmp_path: Path, below: str) -> None:
    root = write_farm(tmp_path / "farm")
    (root / "docs").mkdir()
    assert farm_root(root / below) == root


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ('[tool.wheelfarm]\nrecipes = "elsewhere"\n', "elsewhere"),
        ("[tool.wheelfarm.variants.plain]\n", "elsewhere"),
        ("tool = { wheelfarm = {} }\n", "elsewhere"),
        # The settings report what is wrong with it.
        ("[tool.wheelfarm]\nrecipes =\n", "elsewhere"),
        ("", "recipes"),
    ],
)
def test_a_farm_has_a_table_or_recipes(tmp_path: Path, text: str, directory: str) -> None:
    root = _project(tmp_path / "farm", text)
    (root / directory).mkdir()
    assert farm_root(root / directory) == root


@pytest.mark.parametrize("text", ["", "[tool.other]\n", "tool = 3\n", "name =\n", "[project]\nname = 'x'\n"])
def test_another_project_within_it_is_no_farm(tmp_path: Path, text: str) -> None:
    root = write_farm(tmp_path / "farm")
    assert farm_root(_project(root / "sources/x", text)) == root


def test_the_nearest_farm_counts(tmp_path: Path) -> None:
    inner = _project(write_farm(tmp_path / "farm") / "examples/small", "[tool.wheelfarm]\n")
    assert farm_root(inner) == inner


def test_no_farm_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    assert "[tool.wheelfarm]" in str(only(lambda: farm_root(tmp_path), UsageError).why)
