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

    import pytest


def test_the_list_has_48_packages_that_the_farm_has_no_recipe_for() -> None:
    names = list(run.packages())
    assert len(set(names)) == len(names) == 48
    has = list(run.packages().values())
    assert sum("numpy" in each or "f2py" in each or "LAPACK" in each for each in has) >= 6
    assert sum("Fortran" in each for each in has) >= 3
    assert not {name for name in names if (run.ROOT / "recipes" / name).exists()}


def test_each_package_has_a_result_and_each_failure_a_sentence() -> None:
    found = json.loads(run.RESULT.read_text(encoding="utf-8"))
    assert list(found) == list(run.packages())
    assert [name for name, each in found.items() if not each["passed"] and not each["sentence"]] == []
    assert [name for name, each in found.items() if run.PATH.search(each["sentence"])] == []
    assert sum(each["passed"] for each in found.values()) >= run.GOAL * len(found)


def test_a_result_is_put_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RESULT", tmp_path / "result.json")
    first, *_, last = run.packages()
    tried = run.Tried(version="1", backend="b", passed=True, drafted=1.0, built=2.0, run="2026-11-30 07:00")
    for name in (last, first, last):
        run.write_result(name, tried)
    found = json.loads(run.RESULT.read_text(encoding="utf-8"))
    assert list(found) == [first, last]
    assert run.Tried(**found[last]) == tried


def test_a_wheelhouse_is_copied(tmp_path: Path) -> None:
    (tmp_path / "wheels" / "openblas").mkdir(parents=True)
    (tmp_path / "wheels" / "openblas" / "a").touch()
    farm = run.make_farm(tmp_path / "farm", tmp_path / "wheels")
    assert (farm / "wheelhouse" / "openblas" / "a").is_file()


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
        "    in ../it.c, see /var/tmp/x-1/it.log",
    )
    message = "\n".join([*lines, "error[x]: more", ""])
    failed = subprocess.CompletedProcess[str]([], 43, "", message)
    assert run.sentence_of(failed) == "build failed: no zlib.h: in ../it.c, see it.log"
