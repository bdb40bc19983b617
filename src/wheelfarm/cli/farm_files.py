"""What sessions and completion read of a farm, without the libraries that validate it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from wheelfarm.system.shipped import find_base
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_table(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; an empty one where it cannot be read."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def table_in(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A table within tables; an empty one when there is none, or another value."""
    for key in keys:
        value = table.get(key)
        table = value if isinstance(value, dict) else {}
    return table


def recipes_directory(root: Path) -> Path:
    """Where a farm keeps its recipes."""
    return root / str(
        table_in(read_table(root / "pyproject.toml"), "tool", "wheelfarm").get("recipes", "recipes")
    )


def base_directory(root: Path) -> Path | None:
    """The directory of a farm's base; None where it has none, or that is not on this machine yet."""
    table = table_in(read_table(root / "pyproject.toml"), "tool", "wheelfarm")
    work = os.environ.get("WHEELFARM_WORK") or str(table.get("work", ".wheelfarm"))
    return find_base(table["base"], root / work) if "base" in table else None


def recipe_files(recipes: Path) -> Iterator[Path]:
    """The recipes below a directory, by name."""
    for file in sorted(recipes.glob("*/recipe.toml")):
        # As the farm itself: what a killed `inv recipe.new` leaves begins with a dot.
        if not file.parent.name.startswith((".", "_")):
            yield file


def read_variants(root: Path) -> tuple[str, ...]:
    """The variants of a farm, the default one first."""
    table = table_in(read_table(root / "pyproject.toml"), "tool", "wheelfarm")
    default = str(table.get("variant", "openblas"))
    base = base_directory(root)
    below = read_variants(base)[1:] if base else ()
    return tuple(dict.fromkeys([default, *below, *table_in(table, "variants")]))
