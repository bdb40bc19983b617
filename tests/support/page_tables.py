"""Checks of the tables of pages: TOML by the farm's own models, and YAML, INI and Python by their parsers."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from ruamel.yaml import YAML

from support.farm import RECIPE, over
from support.page_commands import FARM, ROOT, examples
from wheelfarm.errors import Collector, RecipeError, SettingsError, UsageError
from wheelfarm.model import Target
from wheelfarm.recipes.checks import check_defaults, check_recipe
from wheelfarm.recipes.farm_settings import FarmTable
from wheelfarm.recipes.loaded_recipe import LoadedRecipe
from wheelfarm.recipes.overlay import BaseRecipe, lay_over
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.settings import Settings, load
from wheelfarm.recipes.sizes import SizesFile
from wheelfarm.recipes.strict import parse

if TYPE_CHECKING:
    from pathlib import Path

    from support.pages import Block

_TARGETS: Final = ("cp312-manylinux_x86_64", "cp312-macosx_arm64", "cp312-win_amd64")

BASES: Final = {
    ("README.md", 'name = "numpy"'): "numpy",
    ("docs/how-to/add-a-variant.md", "[variants.avx2.append]"): "numpy",
    ("docs/how-to/own-farm.md", "[append]"): "numpy",
    ("docs/how-to/patch-a-source.md", "[[patches]]"): "numpy",
    ("docs/tutorial/first-wheel.md", 'builddir = "x"'): "numpy",
}
"""Page and first line of a table → the recipe that it is a part of; by default one with nothing else."""
BEFORE: Final = {'builddir = "x"': "[config-settings]"}
"""First line of a table → the line that the page says it goes below."""


def _settings(root: Path, table: dict[str, Any]) -> Settings:
    """This farm's settings with a table of a page laid over them."""
    whole = over(FARM, table)
    parse(FarmTable, whole, where="pyproject.toml", error=SettingsError)
    # A base in a repository would be fetched.
    text = tomlkit.dumps({"tool": {"wheelfarm": over(whole, {"base": None})}})
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    return load(root, environ={})


def check_toml(block: Block, root: Path) -> None:
    """Raise what is wrong with settings, with measured sizes, or with a recipe or a part of one."""
    first, problems = block.text.partition("\n")[0], Collector()
    table = tomllib.loads(f"{BEFORE.get(first, '')}\n{block.text}")
    if "tool" in table:
        if table["tool"].keys() != {"wheelfarm"}:
            raise UsageError("the farm does not read this table")
        check_defaults(_settings(root, table["tool"]["wheelfarm"]), problems)
    elif "sizes" in table:
        parse(SizesFile, table, where=str(block), error=RecipeError)
    else:
        variants = {name: {"description": name, "extends": "openblas"} for name in examples(block.page)}
        page = block.page.relative_to(ROOT).as_posix() if block.page.is_relative_to(ROOT) else ""
        base = BASES.get((page, first))
        _check_recipe(table, base, _settings(root, {"variants": variants}), problems)
    problems.check()


def _check_recipe(table: dict[str, Any], base: str | None, settings: Settings, problems: Collector) -> None:
    """Check a table over a recipe; its layers must fit in all variants and on all systems."""
    below: dict[str, Any] = {"name": "alpha", **RECIPE}
    if base:
        below = tomllib.loads((ROOT / "recipes" / base / "recipe.toml").read_text(encoding="utf-8"))
    if "kind" in table.get("source", {}):
        del below["source"]
    over_base = None
    if table.keys() & {"append", "replace"}:
        whole, overlay, origins = lay_over(below, table, base="the base", where="recipe.toml")
        over_base = BaseRecipe(
            directory=settings.root, patches=settings.root, where="the base", overlay=overlay, origins=origins
        )
    else:
        whole = over(below, table)
    recipe = LoadedRecipe(
        table=parse(Recipe, whole, where="recipe.toml", error=RecipeError),
        base=over_base,
        directory=settings.root / "recipe",
        patches=settings.root / "patches",
        defaults=settings.defaults,
        variants=settings.variants,
    )
    smoke = recipe.table.test.smoke
    named = [recipe.patches / each.file for each in recipe.table.patches]
    # The files beside it are the reader's.
    for path in (*named, *([recipe.directory / smoke] if smoke else [])):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    check_recipe(recipe, settings, problems)
    for variant in settings.variants:
        for target in map(Target.parse, _TARGETS):
            recipe.resolve(variant=variant, target=target)


def check_yaml(block: Block, root: Path) -> None:
    """Raise what is wrong with YAML; a workflow of GitHub must pass its schema."""
    if "jobs" in YAML(typ="safe").load(block.text):
        file = root / "workflow.yml"
        file.write_text(block.text, encoding="utf-8")
        words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
        done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise UsageError("a workflow that GitHub refuses", why=done.stdout)


def check_ini(block: Block) -> None:
    """Raise what is wrong with a file of settings as pip's."""
    configparser.ConfigParser(interpolation=None).read_string(block.text)


def check_python(block: Block) -> None:
    """Raise a syntax error."""
    ast.parse(block.text)
