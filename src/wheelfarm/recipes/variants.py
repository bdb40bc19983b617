"""Variants that extend another one: what they take from it, and the order of their layers."""

from __future__ import annotations

from graphlib import CycleError as GraphCycle
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, SettingsError
from wheelfarm.recipes.strict import parse, suggestion
from wheelfarm.recipes.variant_table import Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLES: Final = ("expect", "repair", "system-packages")
"""Taken over key by key; all else is one value."""


def lineage(variants: Mapping[str, Variant], name: str) -> tuple[str, ...]:
    """A variant and those that it extends, in the order of their layers: the variant itself is the last."""
    names = [name]
    while names[0] in variants and (base := variants[names[0]].extends):
        names.insert(0, base)
    return tuple(names)


def related(variants: Mapping[str, Variant], name: str) -> tuple[str, ...]:
    """The variants that a variant extends, and those that extend it."""
    return tuple(
        other
        for other in variants
        if other != name and (name in lineage(variants, other) or other in lineage(variants, name))
    )


def derive_variants(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    """The variants, each with the values of the one that it extends below its own.

    Raises:
        SettingsError: for each unknown name, each circle, and values that do not fit together.
    """
    problems = Collector()
    for name, variant in variants.items():
        if variant.extends is not None and variant.extends not in variants:
            what = f"unknown variant {variant.extends!r}"
            hint = suggestion(variant.extends, variants.keys() - {name})
            problems.add(SettingsError(what, where=_where(name), hint=hint))
    problems.check()
    graph = {name: [each.extends] if each.extends else [] for name, each in variants.items()}
    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except GraphCycle as circle:
        # graphlib lists the circle from an extended variant to the one that extends it.
        members = list(reversed(circle.args[1]))
        raise SettingsError(
            "variants extend each other in a circle",
            where=_where(members[0]),
            why=" → ".join(members),
            hint="drop `extends` in one of them",
        ) from circle
    derived: dict[str, Variant] = {}
    for name in order:
        own, base = variants[name], variants[name].extends
        with problems.collect():
            # What extends a variant with an error has none of its own.
            derived[name] = _merge(name, own, derived.get(base, own)) if base else own
    problems.check()
    return {name: derived[name] for name in variants}


def _where(name: str) -> str:
    return f"pyproject.toml: tool.wheelfarm.variants.{name}.extends"


def _merge(name: str, own: Variant, base: Variant) -> Variant:
    below, above = _values(base), _values(own)
    merged = below | above
    for key in _TABLES:
        if key in below and key in above:
            merged[key] = below[key] | above[key]
    return parse(Variant, merged, where=_where(name).removesuffix(".extends"), error=SettingsError)


def _values(variant: Variant) -> dict[str, Any]:
    """What the file says of it, keys as TOML has them."""
    return variant.model_dump(by_alias=True, exclude_unset=True)
