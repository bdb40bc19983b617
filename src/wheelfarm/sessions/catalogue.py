"""What the sessions must know of recipes before any library is there: names, summaries and what needs what.

The recipes room validates; here a broken recipe only gets a session that will say what is wrong with it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Card:
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


def read_cards(recipes: Path) -> tuple[Card, ...]:
    """The recipes below a directory, by name."""
    cards = []
    for file in sorted(recipes.glob("*/recipe.toml")):
        recipe = _read(file)
        requires = recipe.get("requires", {})
        needs = dict.fromkeys([*requires.get("host", ()), *requires.get("run", ())])
        cards.append(
            Card(
                name=file.parent.name,
                version=str(recipe.get("version", "?")),
                summary=str(recipe.get("summary", "the recipe cannot be read")),
                needs=tuple(needs),
            )
        )
    return tuple(cards)


def read_variants(root: Path) -> tuple[str, tuple[str, ...]]:
    """The default variant and all variants of a farm."""
    table = _read(root / "pyproject.toml").get("tool", {}).get("wheelfarm", {})
    return str(table.get("variant", "openblas")), tuple(table.get("variants", {}))
