"""Names, summaries and needs of the recipes, read without any library, for the sessions.

`wheelfarm.recipes` validates; here a broken recipe only gets a session, which reports what is wrong.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class RecipeSummary:
    """A recipe in short."""

    name: str
    version: str
    summary: str
    needs: tuple[str, ...]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _table(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A table within tables; an empty one when there is none, or another value."""
    for key in keys:
        value = table.get(key)
        table = value if isinstance(value, dict) else {}
    return table


def _names(value: object) -> list[str]:
    """The names in a list, normalised as PEP 503 says."""
    return [re.sub(r"[-_.]+", "-", str(name)).lower() for name in value] if isinstance(value, list) else []


def read_summaries(recipes: Path) -> tuple[RecipeSummary, ...]:
    """The recipes below a directory, by name."""
    summaries = []
    for file in sorted(recipes.glob("*/recipe.toml")):
        recipe = _read(file)
        requires = _table(recipe, "requires")
        needs = dict.fromkeys([*_names(requires.get("host")), *_names(requires.get("run"))])
        summaries.append(
            RecipeSummary(
                name=file.parent.name,
                version=str(recipe.get("version", "?")),
                summary=str(recipe.get("summary", "the recipe cannot be read")),
                needs=tuple(needs),
            )
        )
    return tuple(summaries)


def recipes_directory(root: Path) -> Path:
    """Where a farm keeps its recipes."""
    return root / str(_table(_read(root / "pyproject.toml"), "tool", "wheelfarm").get("recipes", "recipes"))


def read_variants(root: Path) -> tuple[str, ...]:
    """The variants of a farm, the default one first."""
    table = _table(_read(root / "pyproject.toml"), "tool", "wheelfarm")
    default = str(table.get("variant", "openblas"))
    return tuple(dict.fromkeys([default, *_table(table, "variants")]))
