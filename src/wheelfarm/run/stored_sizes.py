"""Measures stored wheels, and compares them with their limits and with the wheels before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.sizes import KEYS, MeasuredSize, Sizes, is_loose
from wheelfarm.run.decision import read_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

GROWTH: Final = 0.01
"""Of the unpacked size: a larger one is worth a word."""
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True)
class StoredSize:
    """The size of a listed wheel, and its limits as the recipe has them now."""

    recipe: LoadedRecipe
    record: Record
    resolved: ResolvedRecipe

    @property
    def measured(self) -> MeasuredSize:
        return measured_size(self.record)

    @property
    def key(self) -> str:
        """What the targets that share the wheel have in common."""
        return self.recipe.table.shared_by(self.record.target)

    @property
    def limits(self) -> Mapping[str, str | None]:
        return limits_of(self.resolved)

    def loose(self) -> tuple[str, ...]:
        """What is wrong with the limits: each that is too far above the wheel."""
        return loose_limits(self.resolved, self.measured, self.recipe)


def limits_of(resolved: ResolvedRecipe) -> dict[str, str | None]:
    """The limits of both sizes, as the recipe or its measured sizes say; None for none."""
    said = resolved.expect.max_size
    return {key: getattr(said, key) if said else None for key in KEYS}


def measured_size(record: Record) -> MeasuredSize:
    """The size of a wheel by its record."""
    return MeasuredSize(file=record.wheel.size, unpacked=unpacked(record))


def unpacked(record: Record) -> int:
    """The bytes of a wheel's members."""
    return sum(record.sizes.values())


def stored_sizes(
    wheelhouse: Wheelhouse, recipes: Iterable[LoadedRecipe], variants: Collection[str]
) -> Iterator[StoredSize]:
    """The sizes of the listed wheels of recipes, in their present version, by variant and target."""
    for variant in sorted({*wheelhouse.variants()}.intersection(variants)):
        for recipe in recipes:
            for stored in wheelhouse.current(variant, recipe.name, recipe.table.wheel_version):
                record = read_record(wheelhouse, variant, stored.key)
                if record is not None:
                    target = record.target
                    resolved = recipe.resolve_for(record.engine, variant=variant, target=target)
                    yield StoredSize(recipe=recipe, record=record, resolved=resolved)


def sizes_of(stored: Iterable[StoredSize]) -> Sizes:
    """What was measured, as sizes.toml has it."""
    sizes: Sizes = {}
    for each in stored:
        engines = sizes.setdefault(each.record.variant, {})
        engines.setdefault(each.record.engine, {})[each.key] = each.measured
    return sizes


def loose_limits(resolved: ResolvedRecipe, size: MeasuredSize, recipe: LoadedRecipe) -> tuple[str, ...]:
    """A sentence for each limit that is too far above a wheel to guard it."""
    found = []
    for key, limit in limits_of(resolved).items():
        actual = getattr(size, key)
        if limit and is_loose(limit, actual):
            origin = resolved.origins.get(f"expect.max-size.{key}", recipe.where)
            found.append(
                f"max-size.{key} = {limit} is more than 3 % above the wheel with its {actual:,} bytes "
                f"({origin}): inv recipe.sizes {recipe.name} measures it"
            )
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a wheel's unpacked size differs from that of the wheel before, and by which kinds of content."""

    record: Record
    before: int
    after: int
    kinds: Mapping[str, int]

    @property
    def share(self) -> float:
        return (self.after - self.before) / self.before

    @property
    def largest(self) -> str:
        """The kinds that have grown most."""
        grown = sorted(self.kinds, key=lambda kind: self.kinds[kind], reverse=True)[:_SHOWN]
        return ", ".join(f"{kind} {self.kinds[kind]:+,} bytes" for kind in grown if self.kinds[kind] > 0)


def growth(record: Record, predecessor: Record | None) -> Growth | None:
    """The growth of a wheel since the one before; None where it is no more than a hundredth."""
    before = unpacked(predecessor) if predecessor else 0
    if predecessor is None or not before or unpacked(record) - before <= before * GROWTH:
        return None
    kinds = {kind: size - predecessor.sizes.get(kind, 0) for kind, size in record.sizes.items()}
    return Growth(record=record, before=before, after=unpacked(record), kinds=kinds)


def grown(record: Record, predecessor: Record | None) -> tuple[str, ...]:
    """A warning where a wheel is larger than the one before, unpacked, and what has grown in it."""
    found = growth(record, predecessor)
    if found is None:
        return ()
    return (f"the wheel has grown by {found.share:.1%}, to {found.after:,} bytes unpacked: {found.largest}",)
