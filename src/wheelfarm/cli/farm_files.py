"""What sessions and completion read of a farm, without the libraries that validate it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
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


def recipe_files(recipes: Path) -> Iterator[Path]:
    """The recipes below a directory, by name."""
    for file in sorted(recipes.glob("*/recipe.toml")):
        # As the farm itself: what a killed `inv recipe.new` leaves begins with a dot.
        if not file.parent.name.startswith((".", "_")):
            yield file


@dataclass(frozen=True)
class FarmFiles:
    """The files of a farm; its pyproject.toml is read once."""

    root: Path

    @cached_property
    def table(self) -> dict[str, Any]:
        """`[tool.wheelfarm]`."""
        return table_in(read_table(self.root / "pyproject.toml"), "tool", "wheelfarm")

    @property
    def recipes(self) -> Path:
        """Where it keeps its recipes."""
        return self.root / str(self.table.get("recipes", "recipes"))

    @property
    def work(self) -> Path:
        """Where it has its build directories, logs and what a bundle has brought."""
        return self.root / (os.environ.get("WHEELFARM_WORK") or str(self.table.get("work", ".wheelfarm")))

    @cached_property
    def base(self) -> FarmFiles | None:
        """Its base; None where it has none, or that is not on this machine yet."""
        if "base" not in self.table:
            return None
        directory = find_base(self.table["base"], self.work)
        return FarmFiles(directory) if directory else None

    @property
    def variants(self) -> tuple[str, ...]:
        """Its variants, the default one first."""
        default = str(self.table.get("variant", "openblas"))
        below = self.base.variants[1:] if self.base else ()
        return tuple(dict.fromkeys([default, *below, *table_in(self.table, "variants")]))
