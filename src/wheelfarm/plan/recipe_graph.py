"""The graph of recipes: what each needs of the farm, and what its locks pin from outside. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.errors import UsageError
from wheelfarm.model import Name, parse_name
from wheelfarm.plan.graph import order
from wheelfarm.recipes.strict import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from wheelfarm.recipes.recipe_set import RecipeSet

LOCKS: Final = {"build": "build.lock", "test": "test.lock", "suite": "suite.lock"}
"""Kind of an edge to what is not of the farm → the lock that pins it."""


@dataclass(frozen=True, order=True)
class Edge:
    """That a recipe needs a distribution."""

    needer: str
    needed: str
    kinds: tuple[str, ...]
    """host and run for recipes of the farm; build, test and suite for what locks pin."""
    pinned: str = ""
    """The version that the locks pin; empty for recipes of the farm."""


@dataclass(frozen=True)
class RecipeGraph:
    """Distributions, and which needs which."""

    nodes: Mapping[str, str]
    """Name → version, in an order in which each comes after what it needs."""
    edges: tuple[Edge, ...]

    def around(self, names: Iterable[str], *, needers: bool = False) -> RecipeGraph:
        """The part with some distributions and all that they need, or with all that need them."""
        next_to = defaultdict[str, list[str]](list)
        for edge in self.edges:
            start, end = (edge.needed, edge.needer) if needers else (edge.needer, edge.needed)
            next_to[start].append(end)
        found, waiting = set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += next_to[name]
        return self.only(found)

    def only(self, names: Collection[str]) -> RecipeGraph:
        """The part with some distributions."""
        return RecipeGraph(
            {name: version for name, version in self.nodes.items() if name in names},
            tuple(edge for edge in self.edges if {edge.needer, edge.needed} <= set(names)),
        )

    def roots(self, *, needers: bool = False) -> tuple[str, ...]:
        """The distributions that none needs; with `needers` those that need none."""
        inside = {edge.needer if needers else edge.needed for edge in self.edges}
        return tuple(name for name in self.nodes if name not in inside)


def make_graph(
    recipes: RecipeSet, names: Collection[Name] | None, *, locks: bool = False, needers: bool = False
) -> RecipeGraph:
    """The graph of some recipes, or of all.

    Args:
        recipes: all recipes of the farm, as a variant needs them.
        names: distributions; None for all. With `needers` also those that only locks have.
        locks: whether what locks pin is in it too.
        needers: whether it is the part that needs the distributions, and not what they need.

    Raises:
        UsageError: for a name that nothing has.
        FarmError: what is wrong with one of the recipes.
    """
    whole = _whole(recipes, locks=locks or (needers and not set(names or ()) <= set(recipes.by_name)))
    if names is None:
        return whole
    for name in names:
        if name in recipes.broken:
            raise recipes.broken[name]
        if name not in whole.nodes:
            raise UsageError(
                f"neither a recipe nor a lock has {name}" if needers else f"there is no recipe for {name!r}",
                where="recipes/",
                hint=suggestion(name, whole.nodes),
            )
    return whole.around(names, needers=needers)


def _whole(recipes: RecipeSet, *, locks: bool) -> RecipeGraph:
    ordered = order(recipes)
    nodes, edges = dict[str, str](), list[Edge]()
    pinned = defaultdict[str, set[str]](set)
    for recipe in ordered:
        kinds, own = defaultdict[str, list[str]](list), defaultdict[str, set[str]](set)
        for kind, needed in recipe.table.requires:
            for name in needed:
                kinds[name].append(kind)
        for kind, lock in LOCKS.items() if locks else ():
            for pin in recipe.pins(lock):
                pinned[pin.name].add(pin.version)
                own[pin.name].add(pin.version)
                if kind not in kinds[pin.name]:
                    kinds[pin.name].append(kind)
        edges += [
            Edge(recipe.name, parse_name(name), tuple(each), _listed(own[name]))
            for name, each in sorted(kinds.items())
        ]
    nodes |= {name: _listed(versions) for name, versions in sorted(pinned.items())}
    nodes |= {recipe.name: recipe.table.wheel_version for recipe in ordered}
    return RecipeGraph(nodes, tuple(edges))


def _listed(versions: Iterable[str]) -> str:
    return " or ".join(sorted(versions, key=Version))
