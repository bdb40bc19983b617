"""Writes the core metadata that the recipe and the plan ask for into METADATA of a wheel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.run_requirements import edit_run_requires

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.model import RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel

_FIELD: Final = re.compile(r"Requires-Dist:[ \t]*(.*?)[ \t]*", re.IGNORECASE)
"""A line of METADATA; the reader of wheels refuses a requirement over several lines."""


def edited_metadata(build: Build, whole: Wheel, repaired: RepairedWheel) -> dict[str, bytes]:
    """The member METADATA with the recipe's edits, and the requirements that the plan adds; none without any.

    Raises:
        RecipeError: a group, for each edit that changes nothing, and each pin to what it was not built with.
    """
    edits = build.recipe.table.metadata.requires
    if edits.is_empty and not build.added_requires:
        return {}
    name = f"{whole.dist_info}/METADATA"
    text = whole.read(name).decode().replace("\r\n", "\n")
    header, blank, description = text.partition("\n\n")
    fields = header.rstrip("\n").split("\n")
    stated = [found[1] for field in fields if (found := _FIELD.fullmatch(field))]
    built: dict[str, str | None] = {each.name: each.version for each in repaired.environment}
    after, added = edit_run_requires(stated, edits, where=build.recipe.where, built=built)
    lines = [*_with_requires(fields, after), *(f"Requires-Dist: {each}" for each in added)]
    lines += [f"Requires-Dist: {each}" for each in build.added_requires]
    return {name: ("\n".join(lines) + (blank or "\n") + description).encode()}


def _with_requires(fields: Sequence[str], after: Sequence[str | None]) -> Iterator[str]:
    """The fields, with other values of Requires-Dist; one that says the same stays as it is written."""
    values = iter(after)
    for field in fields:
        if found := _FIELD.fullmatch(field):
            value = next(values)
            if value is not None:
                yield field if value == found[1] else f"Requires-Dist: {value}"
        else:
            yield field
