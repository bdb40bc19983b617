"""What the sessions read of recipes, however broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.farm import write_farm
from wheelfarm.cli.sessions import RecipeSummary, read_summaries, read_variants, recipes_directory

ROOT = Path(__file__).parents[2]


def test_a_summary_has_name_version_text_and_needs(tmp_path: Path) -> None:
    requires = {"requires": {"host": ["numpy", "Py_Bind11"], "run": ["scipy", "numpy"]}}
    root = write_farm(tmp_path, {"learn": {"version": "1.9", "summary": "machines", **requires}, "a": {}})
    assert read_summaries(root / "recipes") == (
        RecipeSummary(name="a", version="1.0", summary="a small thing", needs=()),
        RecipeSummary(name="learn", version="1.9", summary="machines", needs=("numpy", "py-bind11", "scipy")),
    )


@pytest.mark.parametrize(
    "content", [b"name =", b"\xff\xfe", b"", b"requires = 3", b"requires.host = 'numpy'", b"[requires.host]"]
)
def test_a_broken_recipe_is_still_listed(tmp_path: Path, content: bytes) -> None:
    root = write_farm(tmp_path, {"alpha": {}, "broken": {}})
    (root / "recipes/broken/recipe.toml").write_bytes(content)
    alpha, broken = read_summaries(root / "recipes")
    assert alpha.version == "1.0"
    assert broken == RecipeSummary(name="broken", version="?", summary="the recipe cannot be read", needs=())


def test_a_farm_without_recipes_has_no_summaries(tmp_path: Path) -> None:
    assert read_summaries(tmp_path / "recipes") == ()


def test_the_variants_of_a_farm(tmp_path: Path) -> None:
    assert read_variants(write_farm(tmp_path)) == ("plain", "netlib")


@pytest.mark.parametrize(
    "text", ["", "tool = 3", "[tool]\nwheelfarm = 3", "[tool.wheelfarm]\nvariants = ['x']", "broken ="]
)
def test_a_broken_farm_has_the_default_variant(tmp_path: Path, text: str) -> None:
    root = write_farm(tmp_path, files={"pyproject.toml": text})
    assert read_variants(root) == ("openblas",)
    assert recipes_directory(root) == tmp_path / "recipes"


def test_recipes_are_where_the_settings_say(tmp_path: Path) -> None:
    table: dict[str, Any] = {"recipes": "our/recipes"}
    assert recipes_directory(write_farm(tmp_path, settings=table)) == tmp_path / "our/recipes"


_WHAT_IS_IMPORTED = """
import sys
import nox
before = set(sys.modules)
import wheelfarm.cli.sessions
print(*sorted(set(sys.modules) - before))
"""


def test_sessions_need_the_standard_library_and_nox_alone(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath, "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", _WHAT_IS_IMPORTED]
    printed = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.split()
    assert "wheelfarm.cli.sessions" in printed
    ours = {name for name in printed if name.partition(".")[0] == "wheelfarm"}
    assert {name.partition(".")[0] for name in printed} - {"wheelfarm"} <= sys.stdlib_module_names
    # Nor any package that a library might come in by.
    modules = ("stamp", "sessions", "tools")
    assert ours <= {"wheelfarm", "wheelfarm.cli", *(f"wheelfarm.cli.{name}" for name in modules)}
