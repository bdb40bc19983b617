"""The run over known packages: its list, its farm and its table."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from new_recipes import run
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from pathlib import Path


def test_the_list_has_thirty_packages_that_the_farm_has_no_recipe_for() -> None:
    names = list(run.packages())
    assert len(set(names)) == 30
    assert not {name for name in names if (run.ROOT / "recipes" / name).exists()}


def test_each_package_has_a_result_and_each_failure_a_sentence() -> None:
    found = json.loads(run.RESULT.read_text(encoding="utf-8"))
    assert list(found) == list(run.packages())
    assert [name for name, each in found.items() if not each["passed"] and not each["sentence"]] == []
    assert [name for name, each in found.items() if " /" in each["sentence"]] == []  # a path of one machine
    assert sum(each["passed"] for each in found.values()) >= run.GOAL * len(found)


def test_the_farm_is_a_copy_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm" / "old").touch()
    farm = run.make_farm(tmp_path / "farm")
    assert not (farm / "old").exists()
    assert {each.name for each in read_recipes(load(farm))} >= {"numpy", "numexpr"}


def test_the_sentence_of_a_failure_is_its_first_error() -> None:
    build = "leaf (openblas, cp311-manylinux_x86_64)"
    lines = (
        "fetching",
        f"error[build]: {build}: build failed",
        "  where: here",
        "  why: no zlib.h",
        "    in it",
    )
    message = "\n".join([*lines, "error[x]: more", ""])
    failed = subprocess.CompletedProcess[str]([], 43, "", message)
    assert run.sentence_of(failed) == "build failed: no zlib.h: in it"
