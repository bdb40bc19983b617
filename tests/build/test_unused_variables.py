"""Variables that CMake was given and did not use, with the real CMake where there is one."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm
from support.raised import raised
from wheelfarm.build.unused_variables import check_unused_variables, find_unused
from wheelfarm.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

LOG = """\
-- Configuring done (0.0s)
CMake Warning (unused-cli):
  Manually-specified variables were not used by the project:

    WITH_TEST
    Python_EXECUTABLE


-- Build files have been written to: /build
    WITH_GUI
"""
"""As CMake 4 writes it; before, the first line of the warning has no name."""


def check(root: Path, log: str, **recipe: Any) -> None:
    build = builds_of(make_farm(root / "farm", {"alpha": recipe}))["alpha"]
    path = root / "alpha.log"
    path.write_text(log, encoding="utf-8")
    check_unused_variables(build, path)


@pytest.mark.parametrize(
    ("recipe", "key"),
    [
        ({"config-settings": {"cmake.define.WITH_TEST": "OFF"}}, "config-settings"),
        ({"config-settings": {"skbuild.cmake.define.WITH_TEST": "OFF"}}, "config-settings"),
        ({"config-settings": {"cmake.args": ["-GNinja", "-DWITH_TEST:BOOL=OFF"]}}, "config-settings"),
        ({"environment": {"CMAKE_ARGS": "-DWITH_GUI=ON -D WITH_TEST=OFF"}}, "environment"),
    ],
)
def test_a_variable_of_the_recipe_is_an_error(tmp_path: Path, recipe: dict[str, Any], key: str) -> None:
    (error,) = raised(lambda: check(tmp_path, LOG, **recipe), RecipeError)
    assert error.what == "alpha: no file of the project reads the CMake variable WITH_TEST"
    assert error.where == "recipes/alpha/recipe.toml"
    assert key in recipe


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"config-settings": {"cmake.define.WITH_GUI": "ON"}},
        {"config-settings": {"build.verbose": "true"}},
        {"environment": {"CFLAGS": "-DWITH_TEST"}},
    ],
)
def test_what_the_recipe_does_not_say_or_cmake_used_is_none(tmp_path: Path, recipe: dict[str, Any]) -> None:
    check(tmp_path, LOG, **recipe)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake")
def test_the_warning_is_that_of_the_real_cmake(tmp_path: Path) -> None:
    lists = 'cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES NONE)\nmessage(STATUS "${READ}")\n'
    (tmp_path / "CMakeLists.txt").write_text(lists)
    words = ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build"), "-DREAD=1", "-DA=1", "-DB=2"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert {*find_unused((done.stdout + done.stderr).splitlines())} == {"A", "B"}
