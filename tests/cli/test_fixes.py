"""chain --fix: real builds of tiny packages fail, and succeed after the edit that the failure proposes."""

from __future__ import annotations

import json
import sys
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.door import Door
from support.failing import FAILING, failing_farm, failing_index, fetch_requirements
from wheelfarm.run.recipe_fix import ROUNDS

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.slow

EDITS: Final[dict[str, dict[str, Any]]] = {
    "pkgres": {"build-requires": {"replace": {"setuptools": "setuptools<81"}}},
    "oldcmake": {"environment": {"CMAKE_POLICY_VERSION_MINIMUM": "3.5"}},
    "oldcython": {"build-requires": {"replace": {"cython": "cython<3,>=0.29"}}},
    "oldnumpy": {"build-requires": {"replace": {"numpy": "numpy<2"}}},
    "noreq": {"build-requires": {"add": ["cython"]}},
    # The farm gives setuptools-scm the version of the recipe once it is a requirement.
    "noscm": {"build-requires": {"add": ["setuptools-scm"]}},
    "usescm": {"build-requires": {"add": ["setuptools-scm"]}},
    "ownscm": {"environment": {"SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"}},
    "tinyfortran": {"compilers": ["c", "fortran"]},
    "licensed": {"build-requires": {"replace": {"hatchling": "hatchling>=1.27"}}},
    "spdx": {"build-requires": {"replace": {"setuptools": "setuptools>=77"}}},
}
# Each message is there until the recipe has the edit for the one before.
STUBBORN: Final = """\
import os
for name, message in (
    ("SETUPTOOLS_SCM_PRETEND_VERSION", "setuptools-scm was unable to detect version for ."),
    ("CMAKE_POLICY_VERSION_MINIMUM", "Compatibility with CMake < 3.5 has been removed from CMake."),
):
    if name not in os.environ:
        raise LookupError(message)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    wheels = fetch_requirements(tmp_path_factory.mktemp("wheels"))
    return failing_index(tmp_path_factory.mktemp("index"), FAILING, wheels)


@pytest.fixture
def door(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Door:
    return Door(tmp_path / "farm", capsys, monkeypatch)


def recipe_text(door: Door, name: str) -> str:
    return (door / f"recipes/{name}/recipe.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EDITS)
def test_the_proposed_edit_mends_the_build(door: Door, index: Index, name: str) -> None:
    if name == "oldnumpy" and sys.version_info >= (3, 13):
        pytest.skip("numpy 1 has no wheel for this Python")
    failing_farm(door.root, index, name)
    assert door.inv("recipe.lock", name).returncode == 0
    before = recipe_text(door, name)
    failed = door.inv("chain", name, "--json")
    (outcome,) = json.loads(failed.stdout)["outcomes"]
    assert (failed.returncode != 0, outcome["state"]) == (True, "failed")
    assert outcome["proposal"]["values"] == EDITS[name]
    assert f"  edit: recipes/{name}/recipe.toml\n" in failed.stderr
    assert recipe_text(door, name) == before

    mended = door.inv("chain", name, "--fix", "--json")
    answer = json.loads(mended.stdout)
    assert mended.returncode == 0, mended.stderr
    assert [each["state"] for each in answer["outcomes"]] == ["built"]
    (fix,) = answer["fixes"]
    assert fix["values"] == EDITS[name]
    assert fix["locks"] == (["build.lock"] if "build-requires" in EDITS[name] else [])
    assert fix["diff"] in mended.stderr
    recipe = tomllib.loads(recipe_text(door, name))
    assert recipe == {**tomllib.loads(before), **EDITS[name]}
    assert door.inv("recipe.check", name).returncode == 0


@pytest.fixture
def stubborn(door: Door, tmp_path: Path) -> Door:
    """A farm whose package fails whatever one does, after two failures that an edit mends."""
    files = dict(FAILING["ownscm"])
    end = "raise SystemExit('it never builds')\n"
    files["setup.py"] = files["setup.py"].replace("import os\n", STUBBORN + end, 1)
    index = failing_index(tmp_path / "index", {"ownscm": files})
    failing_farm(door.root, index, "ownscm")
    assert door.inv("recipe.lock", "ownscm").returncode == 0
    return door


def test_each_edit_is_made_once_and_the_rest_is_reported(stubborn: Door) -> None:
    done = stubborn.inv("chain", "ownscm", "--fix", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode != 0
    assert [each["values"] for each in answer["fixes"]] == [
        {"environment": {"SETUPTOOLS_SCM_PRETEND_VERSION": "1.0"}},
        {"environment": {"CMAKE_POLICY_VERSION_MINIMUM": "3.5"}},
    ]
    assert answer["outcomes"][0]["proposal"] is None
    assert "it never builds" in done.stderr


def test_there_is_an_end_of_rounds(stubborn: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ROUNDS == 3
    monkeypatch.setattr("wheelfarm.cli.fixes.ROUNDS", 1)
    done = stubborn.inv("chain", "ownscm", "--fix")
    assert done.returncode != 0
    assert "no further edit: 1 round did not make it build" in done.stderr
    assert "CMAKE_POLICY" not in recipe_text(stubborn, "ownscm")


def test_a_dry_run_and_why_show_the_edit_of_the_last_failure(stubborn: Door) -> None:
    assert "proposes an edit" in stubborn.inv("chain", "ownscm", "--fix", "--dry-run").stderr
    assert stubborn.inv("chain", "ownscm").returncode != 0
    before = recipe_text(stubborn, "ownscm")
    dry = stubborn.inv("chain", "ownscm", "--fix", "--dry-run")
    assert dry.returncode == 0
    assert '+SETUPTOOLS_SCM_PRETEND_VERSION = "1.0"' in dry.stdout
    (fix,) = json.loads(stubborn.inv("chain", "ownscm", "--fix", "--dry-run", "--json").stdout)["fixes"]
    assert fix["recipe"] == "recipes/ownscm/recipe.toml"
    assert recipe_text(stubborn, "ownscm") == before
    assert 'SETUPTOOLS_SCM_PRETEND_VERSION = "1.0"' in stubborn.inv("why", "ownscm").stdout
    (why,) = json.loads(stubborn.inv("why", "ownscm", "--json").stdout)
    assert why["proposal"]["values"] == fix["values"]
    # Another recipe is another build: what failed was not this one.
    (stubborn / "recipes/ownscm/recipe.toml").write_text(
        before + "[environment]\nA = 'b'\n", encoding="utf-8"
    )
    assert "SETUPTOOLS_SCM" not in stubborn.inv("why", "ownscm").stdout


def test_a_refused_edit_leaves_the_recipe(door: Door, tmp_path: Path) -> None:
    """The index has no Cython, so the edit has no lock."""
    index = failing_index(tmp_path / "index", {"noreq": FAILING["noreq"]})
    failing_farm(door.root, index, "noreq")
    assert door.inv("recipe.lock", "noreq").returncode == 0
    before = recipe_text(door, "noreq")
    done = door.inv("chain", "noreq", "--fix", "--json")
    assert done.returncode != 0
    assert json.loads(done.stdout)["fixes"] == []
    assert "recipes/noreq/recipe.toml stays as it is, since its edit is refused:" in done.stderr
    assert "error[lock]" in done.stderr
    assert recipe_text(door, "noreq") == before
