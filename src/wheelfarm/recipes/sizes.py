"""sizes.toml of a recipe: the sizes of wheels that were built, which the gate's limits follow from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from wheelfarm.errors import RecipeError
from wheelfarm.model import EngineName
from wheelfarm.recipes.expect_table import MaxSize
from wheelfarm.recipes.strict import StrictModel, parse, read_toml, size_of

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.layers import ResolvedRecipe

FILE: Final = "sizes.toml"
HEADROOM: Final = 0.02
"""How much larger than measured a wheel may become, before somebody has to agree."""
LOOSE: Final = 0.03
"""A limit that is further above its wheel guards nothing."""
KEYS: Final = ("file", "unpacked")
_HEADER: Final = """\
# `inv recipe.sizes {name}` writes this file: bytes of stored wheels by variant, engine and target.
# The gate allows 2 % more.
"""

_Bytes = Annotated[int, Field(gt=0)]
_Engine = Annotated[EngineName, Field(strict=False)]


class MeasuredSize(StrictModel):
    """The bytes of a wheel, as a file and unpacked."""

    file: _Bytes
    unpacked: _Bytes

    def __str__(self) -> str:
        return f"{{ file = {self.file:_}, unpacked = {self.unpacked:_} }}"


SizesByTarget = dict[str, MeasuredSize]
Sizes = dict[str, dict[EngineName, SizesByTarget]]
"""By variant, engine, and what the targets that share a wheel have in common."""


class SizesFile(StrictModel):
    """The whole file."""

    sizes: dict[str, dict[_Engine, SizesByTarget]] = Field(default={})


def read_sizes(path: Path, where: str) -> Sizes:
    """The sizes in a file; none without the file.

    Raises:
        RecipeError: for everything that is wrong in it.
    """
    if not path.is_file():
        return {}
    return parse(SizesFile, read_toml(path, error=RecipeError), where=where, error=RecipeError).sizes


def render_sizes(name: str, sizes: Sizes) -> str:
    """The text of the file: the same sizes make the same bytes."""
    tables = [_HEADER.format(name=name)]
    for variant, engines in sorted(sizes.items()):
        for engine, targets in sorted(engines.items()):
            lines = [f"{target} = {size}" for target, size in sorted(targets.items())]
            tables.append("\n".join([f"[sizes.{variant}.{engine}]", *lines, ""]))
    return "\n".join(tables)


def merge_sizes(known: Sizes, measured: Sizes) -> Sizes:
    """The known sizes, with what was measured over them."""
    merged: Sizes = {}
    for table in (known, measured):
        for variant, engines in table.items():
            for engine, targets in engines.items():
                merged.setdefault(variant, {}).setdefault(engine, {}).update(targets)
    return merged


def allowed(size: int) -> str:
    """The limit for a measured size, as a recipe writes it: whole kB, or bytes where that is too coarse."""
    limit = int(size * (1 + HEADROOM))
    return f"{limit // 1000 / 1000:.3f}M" if limit >= 1_000_000 else f"{limit / 1000:.3f}k"  # noqa: PLR2004


def is_loose(limit: str, size: int) -> bool:
    """Whether a limit is so far above a size that it guards nothing."""
    return size_of(limit) > size * (1 + LOOSE)


def limit_sizes(resolved: ResolvedRecipe, measured: MeasuredSize, where: str) -> ResolvedRecipe:
    """The values with the limits that follow from a measured size, where the recipe's own are not tighter."""
    said, limits, origins = resolved.expect.max_size or MaxSize(), {}, dict(resolved.origins)
    for key in KEYS:
        own, limit = getattr(said, key), allowed(getattr(measured, key))
        if own is not None and size_of(own) <= size_of(limit):
            limits[key] = own
        else:
            limits[key] = limit
            origins[f"expect.max-size.{key}"] = where
    expect = resolved.expect.model_copy(update={"max_size": MaxSize.model_validate(limits)})
    return replace(resolved, expect=expect, origins=origins)
