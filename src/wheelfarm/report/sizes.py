"""Sizes of wheels: what was measured beside its limits, and what has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.recipes.sizes import KEYS
from wheelfarm.recipes.strict import size_of
from wheelfarm.report.text import size, table_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.run.stored_sizes import StoredSize


def sizes_data(stored: Sequence[StoredSize]) -> list[dict[str, Any]]:
    """The sizes and limits of wheels, in bytes, for programs."""
    return [
        {
            "name": each.recipe.name,
            "version": each.record.version,
            "variant": each.record.variant,
            "engine": each.record.engine.value,
            "target": each.key,
            **{key: getattr(each.measured, key) for key in KEYS},
            "limits": {key: size_of(limit) if limit else None for key, limit in each.limits.items()},
        }
        for each in stored
    ]


def sizes_lines(stored: Sequence[StoredSize], width: int | None = None) -> list[str]:
    """A table of wheels with their sizes, and how far the limits are above them."""
    columns = ["package", "variant", "engine", "target", "file", "limit", "unpacked", "limit"]
    rows = [
        [
            f"{each.recipe.name} {each.record.version}",
            each.record.variant,
            each.record.engine.value,
            each.key,
            *(text for key in KEYS for text in (size(getattr(each.measured, key)), _above(each, key))),
        ]
        for each in stored
    ]
    return table_lines(columns, rows, right=columns[4:], width=width)


def _above(each: StoredSize, key: str) -> str:
    limit, actual = each.limits[key], getattr(each.measured, key)
    return f"{size_of(limit) / actual - 1:+.1%}" if limit else "none"
